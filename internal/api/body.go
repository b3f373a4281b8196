package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// readBody takes the body in, checks it and puts it back for the handler.
func (s *server) readBody(
	ctx context.Context, w http.ResponseWriter, r *http.Request, sv *served,
) ([]byte, context.Context, *Problem) {
	body, p := limitedBody(w, r)
	if p != nil {
		return nil, ctx, p
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	rb := sv.op.RequestBody
	if len(body) == 0 {
		if rb != nil && rb.Required {
			return nil, ctx, problem(http.StatusBadRequest, CodeBodyRequired, "", ProblemItem{
				Detail: meaning(CodeBodyRequired), Code: CodeBodyRequired,
			})
		}
		return body, ctx, nil
	}
	if rb != nil && rb.Content[yamlMedia] != nil && isYAML(r.Header.Get("Content-Type")) {
		if body, p = yamlToJSON(body); p != nil {
			return nil, ctx, p
		}
	} else if p := checkMediaType(r); p != nil {
		return nil, ctx, p
	}
	value, p := strictJSON(body)
	if p != nil {
		return nil, ctx, p
	}
	schema := noBody
	if rb != nil {
		schema = rb.Content[bodyMedia(sv.method)].Schema
	}
	if p := s.unreadable(schema, value); p != nil {
		return nil, ctx, p
	}
	return body, context.WithValue(ctx, bodyKey{}, body), nil
}

// limitedBody reads at most 1 MiB, whatever the length announced (X7).
func limitedBody(w http.ResponseWriter, r *http.Request) ([]byte, *Problem) {
	tooLarge := problem(http.StatusRequestEntityTooLarge, CodeBodyTooLarge, "")
	if r.ContentLength > maxBody {
		w.Header().Set("Connection", "close")
		return nil, tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge
	}
	if err != nil {
		return nil, problem(http.StatusBadRequest, CodeMalformedJSON, "the body ended early")
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // not every host has one
	return body, nil
}

// checkMediaType accepts JSON, with or without a name for it.
func checkMediaType(r *http.Request) *Problem {
	refused := problem(http.StatusUnsupportedMediaType, CodeBadMediaType, "")
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return refused
	}
	ct := r.Header.Get("Content-Type")
	if ct == "" {
		return nil
	}
	media, params, err := mime.ParseMediaType(ct)
	if err != nil || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
		return refused
	}
	if media == "application/json" || media == mergePatch && r.Method == http.MethodPatch {
		return nil
	}
	return refused
}

const mergePatch = "application/merge-patch+json"

func bodyMedia(method string) string {
	if method == http.MethodPatch {
		return mergePatch
	}
	return "application/json"
}

type bodyKey struct{}

// bodyOf returns the body as JSON, checked; empty when there was none.
func bodyOf(ctx context.Context) []byte {
	b, _ := ctx.Value(bodyKey{}).([]byte)
	return b
}
