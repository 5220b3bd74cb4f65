package codec

import "reflect"

func (c *cborCodec) appendPlain(dst []byte, k reflect.Kind, at place) ([]byte, bool) {
	switch k {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return appendCBORInt(dst, at.int(k)), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return appendCBORHead(dst, cborUint, at.uint(k)), true
	case reflect.Float32:
		return appendCBORFloat32(dst, *at.float32()), true
	case reflect.Float64:
		return appendCBORFloat64(dst, *at.float64()), true
	case reflect.Bool:
		return appendCBORBool(dst, *at.bool()), true
	case reflect.String:
		return appendCBORString(dst, *at.string()), true
	case reflect.Slice:
		return appendCBORBytes(dst, *at.bytes()), true
	case reflect.Struct:
		return appendCBORTime(dst, *at.time())
	}
	return dst, false
}

func (c *cborCodec) decodePlain(src []byte, k reflect.Kind, at place) int {
	if src[0] < cborOneByte && k >= reflect.Int && k <= reflect.Int64 { // a small number, as most are
		at.setInt(k, int64(src[0]))
		return 1
	}
	if k == reflect.Struct { // a time is a text that the library parses
		return 0
	}
	it, err := cborItem(src)
	if err != nil {
		return 0
	}
	return it.assignPlain(src, k, at)
}
