package hotline

// form is code for calls of one form: arguments and a result of certain layouts. It is what the compiler makes of the
// generic functions in call_unsafe.go and bind_unsafe.go, so a call of such a form does not go through package reflect,
// neither in the client nor in the server.
type form struct {
	call call
	bind bind
}

// formOf returns the form for methods with these arguments and results, or nil where there is none: then calls go
// through package reflect. With or without a context and, on the server, an error, there are forms for
//
//	no argument    and no result or one: byte, word, float, string, slice or pointer
//	1 argument     byte, word, float, string, slice or pointer; results as before
//	2 arguments    word or string, then word, string, slice or pointer; no result, or byte, word, string, slice or pointer
//	               two floats; no result or a float
//	3 arguments    word or string, then word, string or slice, then word or string; results as for two
//
// The layouts say which types these words stand for. Every form is some kilobytes of code in every program, so those
// are here that services mostly have.
func formOf(args, results []layout) *form {
	result := layoutNone
	switch {
	case len(results) == 1:
		result = results[0]
	case len(results) > 1:
		return nil
	}
	switch len(args) {
	case 0:
		return form0(result)
	case 1:
		return form1(args[0], result)
	case 2:
		return form2(args[0], args[1], result)
	case 3:
		return form3(args[0], args[1], args[2], result)
	}
	return nil
}

func form0(r layout) *form {
	switch r {
	case layoutNone:
		return &form{call0None, bind0None}
	case layoutByte:
		return &form{call0[uint8], bind0[uint8]}
	case layoutWord:
		return &form{call0[uint], bind0[uint]}
	case layoutFloat:
		return &form{call0[float64], bind0[float64]}
	case layoutString:
		return &form{call0[string], bind0[string]}
	case layoutSlice:
		return &form{call0[[]byte], bind0[[]byte]}
	case layoutPointer:
		return &form{call0[pointer], bind0[pointer]}
	}
	return nil
}

func form1(a, r layout) *form {
	switch a {
	case layoutByte:
		return result1[uint8](r)
	case layoutWord:
		return result1[uint](r)
	case layoutFloat:
		return result1[float64](r)
	case layoutString:
		return result1[string](r)
	case layoutSlice:
		return result1[[]byte](r)
	case layoutPointer:
		return result1[pointer](r)
	}
	return nil
}

func result1[A any](r layout) *form {
	switch r {
	case layoutNone:
		return &form{call1None[A], bind1None[A]}
	case layoutByte:
		return &form{call1[A, uint8], bind1[A, uint8]}
	case layoutWord:
		return &form{call1[A, uint], bind1[A, uint]}
	case layoutFloat:
		return &form{call1[A, float64], bind1[A, float64]}
	case layoutString:
		return &form{call1[A, string], bind1[A, string]}
	case layoutSlice:
		return &form{call1[A, []byte], bind1[A, []byte]}
	case layoutPointer:
		return &form{call1[A, pointer], bind1[A, pointer]}
	}
	return nil
}

func form2(a, b, r layout) *form {
	switch a {
	case layoutWord:
		return second2[uint](b, r)
	case layoutString:
		return second2[string](b, r)
	case layoutFloat:
		switch {
		case b == layoutFloat && r == layoutFloat:
			return &form{call2[float64, float64, float64], bind2[float64, float64, float64]}
		case b == layoutFloat && r == layoutNone:
			return &form{call2None[float64, float64], bind2None[float64, float64]}
		}
	}
	return nil
}

func second2[A any](b, r layout) *form {
	switch b {
	case layoutWord:
		return result2[A, uint](r)
	case layoutString:
		return result2[A, string](r)
	case layoutSlice:
		return result2[A, []byte](r)
	case layoutPointer:
		return result2[A, pointer](r)
	}
	return nil
}

func result2[A, B any](r layout) *form {
	switch r {
	case layoutNone:
		return &form{call2None[A, B], bind2None[A, B]}
	case layoutByte:
		return &form{call2[A, B, uint8], bind2[A, B, uint8]}
	case layoutWord:
		return &form{call2[A, B, uint], bind2[A, B, uint]}
	case layoutString:
		return &form{call2[A, B, string], bind2[A, B, string]}
	case layoutSlice:
		return &form{call2[A, B, []byte], bind2[A, B, []byte]}
	case layoutPointer:
		return &form{call2[A, B, pointer], bind2[A, B, pointer]}
	}
	return nil
}

func form3(a, b, c, r layout) *form {
	switch a {
	case layoutWord:
		return second3[uint](b, c, r)
	case layoutString:
		return second3[string](b, c, r)
	}
	return nil
}

func second3[A any](b, c, r layout) *form {
	switch b {
	case layoutWord:
		return third3[A, uint](c, r)
	case layoutString:
		return third3[A, string](c, r)
	case layoutSlice:
		return third3[A, []byte](c, r)
	}
	return nil
}

func third3[A, B any](c, r layout) *form {
	switch c {
	case layoutWord:
		return result3[A, B, uint](r)
	case layoutString:
		return result3[A, B, string](r)
	}
	return nil
}

func result3[A, B, C any](r layout) *form {
	switch r {
	case layoutNone:
		return &form{call3None[A, B, C], bind3None[A, B, C]}
	case layoutByte:
		return &form{call3[A, B, C, uint8], bind3[A, B, C, uint8]}
	case layoutWord:
		return &form{call3[A, B, C, uint], bind3[A, B, C, uint]}
	case layoutString:
		return &form{call3[A, B, C, string], bind3[A, B, C, string]}
	case layoutSlice:
		return &form{call3[A, B, C, []byte], bind3[A, B, C, []byte]}
	case layoutPointer:
		return &form{call3[A, B, C, pointer], bind3[A, B, C, pointer]}
	}
	return nil
}
