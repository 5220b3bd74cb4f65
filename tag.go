package hotline

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The keys that tags may have. Any other key on a base or on a method's field is an error, so that a misspelt one is
// found at once.
var (
	baseKeys   = []string{"port", "name", "version", "codec", "except"}
	clientKeys = []string{"port", "name", "version", "codec"}
	methodKeys = []string{"codec", "timeout", "idempotent", "oneway", "name"}
)

// methodTags is what the tag of a method's field says.
type methodTags struct {
	codec      string
	wireName   string
	timeout    time.Duration
	idempotent bool
	oneway     bool
}

// parseTag splits a struct tag into its keys and values, in the form that reflect.StructTag defines. A key that is
// not in known is an error.
func parseTag(tag reflect.StructTag, known []string) (map[string]string, error) {
	values := make(map[string]string)
	rest := strings.TrimLeft(string(tag), " ")
	for rest != "" {
		key, after, ok := strings.Cut(rest, ":")
		if !ok || key == "" || strings.ContainsAny(key, " \"") {
			return nil, fmt.Errorf("tag %q: write key:\"value\" pairs with spaces between them", tag)
		}
		quoted, err := strconv.QuotedPrefix(after)
		if err != nil {
			return nil, fmt.Errorf("tag %q: the value of %q must stand in double quotes", tag, key)
		}
		if !slices.Contains(known, key) {
			return nil, fmt.Errorf("tag %q: unknown key %q: known are %s", tag, key, strings.Join(known, ", "))
		}
		if _, twice := values[key]; twice {
			return nil, fmt.Errorf("tag %q: key %q stands twice", tag, key)
		}
		if values[key], err = strconv.Unquote(quoted); err != nil {
			return nil, fmt.Errorf("tag %q: value of %q: %w", tag, key, err)
		}
		rest = strings.TrimLeft(after[len(quoted):], " ")
	}
	return values, nil
}

// parseMethodTags reads the tag of a method's field.
func parseMethodTags(tag reflect.StructTag) (methodTags, error) {
	values, err := parseTag(tag, methodKeys)
	if err != nil {
		return methodTags{}, err
	}
	t := methodTags{codec: values["codec"], wireName: values["name"]}
	if v, ok := values["timeout"]; ok {
		if t.timeout, err = time.ParseDuration(v); err != nil || t.timeout <= 0 {
			return t, fmt.Errorf("timeout %q: write a positive duration such as \"500ms\" or \"2s\"", v)
		}
	}
	if t.idempotent, err = boolTag(values, "idempotent"); err != nil {
		return t, err
	}
	t.oneway, err = boolTag(values, "oneway")
	return t, err
}

func boolTag(values map[string]string, key string) (bool, error) {
	v, ok := values[key]
	if !ok {
		return false, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, fmt.Errorf("%s %q: write \"true\" or \"false\"", key, v)
	}
	return b, nil
}
