package stream

import "hotline"

// Client calls the service.
type Client struct {
	hotline.ClientMethodsBase `port:"5570" name:"logs" version:"1"`
	Methods
}
