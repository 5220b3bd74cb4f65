//go:build !unix

package nettcp

import "syscall"

// rawConn returns nil: sockets are read and written through package net alone.
func rawConn(syscall.Conn) syscall.RawConn { return nil }

func (c *Conn) tryRead(uintptr) bool { return true }
func (c *Conn) readNow(uintptr) bool { return true }

// discard can't read without waiting here.
func (c *Conn) discard([]byte) (ended bool) { return false }
