package codec

import (
	"math"
	"math/big"
	"reflect"
)

// settle gives what was decoded into interfaces the same few Go types whatever its form on the wire was: int64 (uint64
// from 1<<63), float64, []any, and map[string]any or, where a key is no string, map[any]any. It walks what was just
// decoded, a tree no deeper than a message can nest, and leaves types alone that decode themselves.
func (g *weigher) settle(v reflect.Value) {
	if !g.ofType(v.Type()).hasAny {
		return
	}
	switch v.Kind() {
	case reflect.Interface:
		if v.NumMethod() == 0 && !v.IsNil() {
			v.Set(reflect.ValueOf(settled(v.Interface())))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			g.settle(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			if f.CanSet() || f.Kind() == reflect.Struct && v.Type().Field(i).Anonymous {
				g.settle(f)
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			g.settle(v.Index(i))
		}
	case reflect.Map:
		g.settleMap(v)
	}
}

// settleMap settles the keys and elements of a map, which can't be set in place.
func (g *weigher) settleMap(m reflect.Value) {
	key, elem := reflect.New(m.Type().Key()).Elem(), reflect.New(m.Type().Elem()).Elem()
	for _, k := range m.MapKeys() {
		key.Set(k)
		v := m.MapIndex(k)
		if !v.IsValid() { // a key with NaN in it, which is not found again
			continue
		}
		elem.Set(v)
		g.settle(elem)
		if g.settle(key); !key.Equal(k) {
			m.SetMapIndex(k, reflect.Value{})
		}
		m.SetMapIndex(key, elem)
	}
}

// settled returns v, which was decoded without knowing a type, as its settled type.
func settled(v any) any {
	switch v := v.(type) {
	case int8:
		return int64(v)
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case uint8:
		return int64(v)
	case uint16:
		return int64(v)
	case uint32:
		return int64(v)
	case uint64:
		if v <= math.MaxInt64 {
			return int64(v)
		}
	case float32:
		return float64(v)
	case big.Int: // cbor
		return settledBig(v)
	case []any:
		for i := range v {
			v[i] = settled(v[i])
		}
	case map[string]any:
		for k, e := range v {
			v[k] = settled(e)
		}
	case map[any]any:
		return settledMap(v)
	}
	return v
}

// settledBig returns a big integer that fits an int64 or a uint64 as that.
func settledBig(n big.Int) any {
	switch {
	case n.IsInt64():
		return n.Int64()
	case n.IsUint64():
		return n.Uint64()
	}
	return n
}

// settledMap makes a map[string]any of m where all its keys are strings.
func settledMap(m map[any]any) any {
	named := make(map[string]any, len(m))
	for k, e := range m {
		name, ok := k.(string)
		if !ok {
			break
		}
		named[name] = settled(e)
	}
	if len(named) == len(m) {
		return named
	}
	out := make(map[any]any, len(m))
	for k, e := range m {
		out[settled(k)] = settled(e)
	}
	return out
}
