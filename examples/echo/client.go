package echo

import "hotline"

// Client calls the service: hotline.Connect fills in the functions that it has from [Methods].
type Client struct {
	hotline.ClientMethodsBase `port:"5555" name:"echo_serv" version:"1"`
	Methods
}
