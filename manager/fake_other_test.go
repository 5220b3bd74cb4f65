//go:build !unix

package manager

func fake([]string) error { return supported() }
