// Package systemd is the talk of a service with the systemd that started it: sockets that were opened for it, readiness, a line of
// status, and the watchdog. See sd_notify(3), sd_listen_fds(3) and systemd.service(5).
package systemd
