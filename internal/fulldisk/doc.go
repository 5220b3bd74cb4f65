// Package fulldisk is how tests have a file system that gets full: a small one of their own, which no other process sees.
package fulldisk
