// Package bundle is the main function of the programs that hotline build makes: each holds its services, the manager that runs
// them, and the manager's control API. Nobody else has a use for it.
package bundle
