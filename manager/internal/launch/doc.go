// Package launch makes a process begin as another user, with limits of its own, or in a cgroup of its own: what [os/exec] can't
// do, or can't say why it could not. [Prepare] makes a command such a process, as [Settings] say.
//
// Such a process begins as a launcher, which is the caller's own program: it takes everything on and then becomes the program
// that was meant. So nothing of that has run before, and what could not be done comes back in words. It needs nothing but that
// the caller's program imports this package: the package looks for a variable of the environment before the main function, and
// becomes the program that it tells of.
//
// Launchers and cgroups are for Linux.
package launch
