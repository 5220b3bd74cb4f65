package charnames

import "hotline"

// Client calls the service. It holds nothing itself: programs that use it stay small, however large the index is.
type Client struct {
	hotline.ClientMethodsBase `port:"5556" name:"charnames" version:"1"`
	Methods
}
