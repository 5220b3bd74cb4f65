package codec

import (
	"reflect"
	"time"
	"unsafe"
)

// step is what a plan does with the values at one position of a list.
type step struct {
	typ  unsafe.Pointer // of the pointers to them, as an interface holds it
	kind reflect.Kind   // the plain kind, or Struct for a time; Invalid where the codec does it all
}

// steps returns the steps for values of the types, by the plain kinds that g says they are of.
func steps(types []reflect.Type, g *weigher) []step {
	all := make([]step, len(types))
	for i, t := range types {
		v := reflect.New(t).Interface()
		all[i].typ = words(&v).typ
		if kind := g.plainType(t); kind != nil {
			all[i].kind = kind.Kind()
		} else if t == timeType {
			all[i].kind = reflect.Struct
		}
	}
	return all
}

// iface is how an interface without methods is laid out: its type, and, for a pointer in it, that pointer. It spares
// package reflect's way, which takes longer than to encode an integer. TestInterfaceLayout has an eye on it.
type iface struct{ typ, data unsafe.Pointer }

func words(v *any) *iface { return (*iface)(unsafe.Pointer(v)) }

// place is where a value is, of the kind that its step says. Only place has the memory read and written as that kind,
// whatever the type's name. That is sound: types of one kind have one representation in memory, a []byte is of kind
// Slice only where its type is just that underneath, and a step takes pointers of its own type alone.
type place struct{ p unsafe.Pointer }

// place returns where v points to, and false where v is not what s was made for.
func (s *step) place(v any) (place, bool) {
	w := words(&v)
	return place{w.data}, w.typ == s.typ && s.kind != reflect.Invalid
}

func (at place) bool() *bool       { return (*bool)(at.p) }
func (at place) float32() *float32 { return (*float32)(at.p) }
func (at place) float64() *float64 { return (*float64)(at.p) }
func (at place) string() *string   { return (*string)(at.p) }
func (at place) bytes() *[]byte    { return (*[]byte)(at.p) }
func (at place) time() *time.Time  { return (*time.Time)(at.p) }

// int returns the number of one of the signed kinds.
func (at place) int(k reflect.Kind) int64 {
	switch k {
	case reflect.Int8:
		return int64(*(*int8)(at.p))
	case reflect.Int16:
		return int64(*(*int16)(at.p))
	case reflect.Int32:
		return int64(*(*int32)(at.p))
	case reflect.Int64:
		return *(*int64)(at.p)
	}
	return int64(*(*int)(at.p))
}

// setInt sets the number of one of the signed kinds, or reports that n does not fit.
func (at place) setInt(k reflect.Kind, n int64) bool {
	switch k {
	case reflect.Int8:
		return setNumber(at, int8(n), n)
	case reflect.Int16:
		return setNumber(at, int16(n), n)
	case reflect.Int32:
		return setNumber(at, int32(n), n)
	case reflect.Int64:
		return setNumber(at, n, n)
	}
	return setNumber(at, int(n), n)
}

// uint is int for the unsigned kinds.
func (at place) uint(k reflect.Kind) uint64 {
	switch k {
	case reflect.Uint8:
		return uint64(*(*uint8)(at.p))
	case reflect.Uint16:
		return uint64(*(*uint16)(at.p))
	case reflect.Uint32:
		return uint64(*(*uint32)(at.p))
	case reflect.Uint64:
		return *(*uint64)(at.p)
	}
	return uint64(*(*uint)(at.p))
}

// setUint is setInt for the unsigned kinds.
func (at place) setUint(k reflect.Kind, n uint64) bool {
	switch k {
	case reflect.Uint8:
		return setNumber(at, uint8(n), n)
	case reflect.Uint16:
		return setNumber(at, uint16(n), n)
	case reflect.Uint32:
		return setNumber(at, uint32(n), n)
	case reflect.Uint64:
		return setNumber(at, n, n)
	}
	return setNumber(at, uint(n), n)
}

// setNumber sets a T to n, of which cut is what a T holds.
func setNumber[T int | int8 | int16 | int32 | int64 | uint | uint8 | uint16 | uint32 | uint64, N int64 | uint64](at place, cut T, n N) bool {
	if N(cut) != n {
		return false
	}
	*(*T)(at.p) = cut
	return true
}
