package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// routes returns the handler of all requests.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.answer(s.status))
	mux.HandleFunc("GET /v1/figures", s.answer(s.figuresOf))
	mux.HandleFunc("GET /v1/sections/{name}/workers/{worker}/stacks", s.answer(s.stacks))
	mux.HandleFunc("POST /v1/commands", s.command)
	mux.Handle("GET /metrics", s.metrics)
	mux.HandleFunc("/", s.answer(func(r *http.Request) (any, error) {
		return nil, errorf(NotFound, "there is no %.100s %.200q here", r.Method, r.URL.Path)
	}))
	return http.HandlerFunc(func(inner http.ResponseWriter, r *http.Request) {
		w := &boundWriter{inner, s.answered} // also for what net/http answers by itself
		// Nothing is done for a request that is not there whole. One that nobody has read would hold its connection for
		// as long as the client likes: the rest is read behind the handler, and the deadline is gone then.
		body, err := io.ReadAll(http.MaxBytesReader(inner, r.Body, maxBody))
		if err != nil {
			s.fail(w, bodyError(err))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		http.NewResponseController(w).SetReadDeadline(time.Time{}) // it was for the request, and would end r's context
		mux.ServeHTTP(w, r)
	})
}

// boundWriter gives the client so long to take what is written each time, and the manager as long as it likes in between.
type boundWriter struct {
	http.ResponseWriter
	patience time.Duration
}

func (w *boundWriter) WriteHeader(status int) {
	w.bound() // an answer without a body is written when its handler has returned
	w.ResponseWriter.WriteHeader(status)
}

func (w *boundWriter) Write(b []byte) (int, error) {
	w.bound()
	return w.ResponseWriter.Write(b)
}

func (w *boundWriter) bound() {
	http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(w.patience)) // one that can't be bounded is gone
}

// FlushError is for [http.ResponseController].
func (w *boundWriter) FlushError() error {
	w.bound()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap is for [http.ResponseController].
func (w *boundWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// answer makes a handler of a function that returns the answer's body.
func (s *Server) answer(f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := f(r)
		if err != nil {
			s.fail(w, err)
			return
		}
		s.write(w, http.StatusOK, v)
	}
}

func (s *Server) fail(w http.ResponseWriter, err error) {
	e := asError(err)
	s.write(w, e.status(), event{Error: e})
}

func (s *Server) write(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		body, status = []byte(`{"error":{"code":"failed","message":"the answer has no JSON"}}`), http.StatusInternalServerError
		s.log.Error().Err(err).Msg("control: answer without JSON")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(status)
	w.Write(append(body, '\n')) // an error is the client's end
}

// decode reads a request's body, which must be one JSON value of v's type.
func decode(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return nil
		}
		if err == nil {
			err = errors.New("there is more than one value")
		}
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("it is empty")
	}
	return errorf(BadRequest, "the body is no command: %v", err)
}

// bodyError says why a request's body could not be read.
func bodyError(err error) error {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return errorf(TooLarge, "the body is longer than %d bytes", large.Limit)
	}
	return errorf(BadRequest, "the body is not whole: %v", err)
}

func (s *Server) status(r *http.Request) (any, error) {
	found, err := find(s.sections(), r.URL.Query().Get("name"))
	if err != nil {
		return nil, err
	}
	return Status{Manager: s.about, Sections: found}, nil
}

func (s *Server) sections() []Section { return sectionsOf(s.manager.Status()) }

func (s *Server) figuresOf(r *http.Request) (any, error) {
	return s.figures.gather(r.URL.Query().Get("name"))
}

func (s *Server) stacks(r *http.Request) (any, error) {
	found, err := Find(s.sections(), r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(r.PathValue("worker"))
	if err != nil {
		return nil, errorf(BadRequest, "worker %.20q is no number", r.PathValue("worker"))
	}
	if err := findWorker(found, n); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), stacksWait)
	defer cancel()
	text, err := s.manager.Stacks(ctx, found.Name, n)
	if err != nil {
		return nil, err
	}
	return Stacks{Section: found.Name, Worker: n, Stacks: text}, nil
}
