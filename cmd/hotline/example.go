package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"hotline"
	"hotline/internal/shape"
)

// maxExample bounds a command that is printed as an example, in bytes.
const maxExample = 160

// exampleArguments returns words that m takes, ready for a shell; ok is false where they would be too long.
func exampleArguments(m *hotline.MethodInfo) (words string, ok bool) {
	if words, ok := documentedArguments(m); ok {
		return words, true
	}
	types, exact, err := shape.Types(m.Arguments)
	if err != nil {
		return "", false
	}
	var b strings.Builder
	s := sampler{exact: exact}
	for _, t := range types {
		word, ok := s.word(t)
		if !ok || b.Len()+len(word) > maxExample {
			return "", false
		}
		b.WriteString(" " + quote(word))
	}
	return b.String(), true
}

// documentedArguments returns the words of the first line of m's doc comment that is a call of it:
// "hotline call SERVICE METHOD WORDS", as the author would type it.
func documentedArguments(m *hotline.MethodInfo) (words string, ok bool) {
	for line := range strings.Lines(m.Doc) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "hotline call ")
		if !ok {
			continue
		}
		_, rest, _ = strings.Cut(rest, " ") // the service
		if name, words, _ := strings.Cut(rest, " "); name == m.Name && len(words) <= maxExample {
			return strings.TrimRight(" "+words, " "), true
		}
	}
	return "", false
}

// sampler makes values that look like something: 1, 2, 3 for numbers, hello for texts.
type sampler struct {
	exact   bool // any stands for any; else it may stand for a type that is not known
	numbers int
	size    int // values made so far
}

// word returns an argument of type t as the call command takes it.
func (s *sampler) word(t reflect.Type) (string, bool) {
	v := reflect.New(t).Elem()
	s.fill(v)
	if s.size > maxExample {
		return "", false
	}
	for v.Kind() == reflect.Pointer && !v.IsNil() && !marshalsItself(v.Type()) {
		v = v.Elem()
	}
	if isBytes(v.Type()) {
		return string(v.Bytes()), true
	}
	text, err := appendJSON(nil, v)
	if err != nil {
		return "", false
	}
	var plain string
	if json.Unmarshal(text, &plain) == nil && string(text) != "null" {
		return plain, true
	}
	return string(text), true
}

func (s *sampler) fill(v reflect.Value) {
	if s.size++; s.size > maxExample {
		return
	}
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2006, 1, 2, 15, 4, 5, 0, time.UTC)))
	case marshalsItself(v.Type()):
		json.Unmarshal([]byte("1"), v.Addr().Interface()) // what does not read it stays zero
	case isBytes(v.Type()):
		v.SetBytes([]byte("hello"))
	case v.CanInt():
		v.SetInt(int64(s.number()))
	case v.CanUint():
		v.SetUint(uint64(s.number()))
	case v.CanFloat():
		v.SetFloat(float64(s.number()) + 0.5)
	case v.CanComplex():
		v.SetComplex(complex(float64(s.number()), float64(s.number())))
	default:
		s.fillOther(v)
	}
}

func (s *sampler) fillOther(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("hello")
	case reflect.Interface:
		if s.exact {
			v.Set(reflect.ValueOf("hello"))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		s.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		s.fill(v.Index(0))
	case reflect.Array:
		for i := 0; i < v.Len() && s.size <= maxExample; i++ {
			s.fill(v.Index(i))
		}
	case reflect.Map:
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		s.fill(key)
		s.fill(elem)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, elem)
	case reflect.Struct:
		for i := range v.NumField() {
			s.fill(v.Field(i))
		}
	}
}

// number returns 1, then 2, and so on, within what the smallest type holds.
func (s *sampler) number() int {
	s.numbers = s.numbers%100 + 1
	return s.numbers
}
