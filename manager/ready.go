package manager

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"hotline"
	"hotline/internal/plural"
	"hotline/internal/worker"
)

// ping calls every service of a worker through the path that calls take, at the worker's own unix sockets, which are in home.
// What a worker says of its addresses is in the order of its services, one unix socket each.
func ping(ctx context.Context, dir, home string, services []worker.Description, addresses []string) error {
	var sockets []string
	for _, a := range addresses {
		path, ok := strings.CutPrefix(a, "unix://")
		if !ok {
			continue
		}
		if filepath.Dir(filepath.Clean(path)) != home { // a worker of another user does not send the manager elsewhere
			return fmt.Errorf("it told of the unix socket %s, which is not in its runtime directory %s", clean(path), home)
		}
		sockets = append(sockets, a)
	}
	if len(sockets) != len(services) {
		return fmt.Errorf("it told of %s for %s: is it built with another version of hotline?",
			plural.Of(len(sockets), "unix socket"), plural.Of(len(services), "service"))
	}
	var errs []error
	for i := range services {
		errs = append(errs, pingOne(ctx, dir, services[i].Port, sockets[i]))
	}
	return errors.Join(errs...)
}

// pingOne calls one service, until ctx ends: nothing else bounds it.
func pingOne(ctx context.Context, dir, port, socket string) error {
	d := &hotline.Dialer{Dir: dir, MaxSpin: -1, Timeout: maxDuration}
	c, err := d.Dial(ctx, port, socket)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Ping(ctx)
}
