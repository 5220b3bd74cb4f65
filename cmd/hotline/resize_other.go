//go:build !unix

package main

import "os"

// onResize returns a channel that is told nothing: each picture asks for the size.
func onResize() (resized <-chan os.Signal, stop func()) { return nil, func() {} }
