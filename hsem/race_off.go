//go:build !race

package hsem

func raceLocked()    {}
func raceUnlocking() {}
