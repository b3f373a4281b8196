package fakekit

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dumpBlock is how many records are taken under one hold of the lock.
const dumpBlock = 1000

type fieldsIn struct {
	Fields map[string]string `json:"fields" doc:"by the app's field names; empty clears"`
}

type mergeIn struct {
	Into string `json:"into" doc:"ID of the record that wins"`
}

// RecordLine is a record as the dump shows it.
type RecordLine struct {
	ID         string            `json:"id"`
	Fields     map[string]string `json:"fields" doc:"empty fields are left out"`
	Created    time.Time         `json:"created_at"`
	Modified   time.Time         `json:"modified_at"`
	Deleted    bool              `json:"deleted"`
	MergedInto string            `json:"merged_into,omitempty"`
}

// Summary counts an object's records and fingerprints them.
type Summary struct {
	Total   int    `json:"total"`
	Live    int    `json:"live"`
	Deleted int    `json:"deleted"`
	Digest  string `json:"digest,omitempty" doc:"of IDs and fields of the live records, in order of ID"`
}

func line(r *Record) RecordLine {
	return RecordLine{r.ID, r.Fields, r.Created, r.Modified, r.Deleted, r.MergedInto}
}

func (c *Core) known(object string) (*Table, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t, ok := c.Table(object); ok {
		return t, nil
	}
	names := make([]string, 0, len(c.tables))
	for _, t := range c.tables {
		names = append(names, t.Object)
	}
	return nil, fmt.Errorf("object %q: %w; there are %s", object, ErrNotFound, strings.Join(names, ", "))
}

// Summary counts an object's records; fields limits the digest to these, nil
// takes all, and withDigest false leaves it out.
func (c *Core) Summary(object string, withDigest bool, fields []string) (Summary, error) {
	t, err := c.known(object)
	if err != nil {
		return Summary{}, err
	}
	c.mu.Lock()
	all, deleted := t.Len()
	c.mu.Unlock()
	s := Summary{Total: all, Live: all - deleted, Deleted: deleted}
	if !withDigest {
		return s, nil
	}
	h := sha256.New()
	enc := json.NewEncoder(h)
	err = c.blocks(t, "", func(r *Record) error {
		if r.Deleted {
			return nil
		}
		kept := r.Fields
		if fields != nil {
			kept = map[string]string{}
			for _, f := range fields {
				if v := r.Fields[f]; v != "" {
					kept[f] = v
				}
			}
		}
		return enc.Encode([]any{r.ID, kept})
	})
	s.Digest = hex.EncodeToString(h.Sum(nil))
	return s, err
}

// errStop ends blocks early.
var errStop = errors.New("stop")

// blocks visits records after an ID by ID, taking the lock for a block at a time.
func (c *Core) blocks(t *Table, after string, f func(*Record) error) error {
	for {
		part := make([]*Record, 0, dumpBlock)
		c.mu.Lock()
		t.Each(after, func(r *Record) bool {
			part = append(part, r)
			return len(part) < dumpBlock
		})
		c.mu.Unlock()
		for _, r := range part {
			if err := f(r); errors.Is(err, errStop) {
				return nil
			} else if err != nil {
				return err
			}
		}
		if len(part) < dumpBlock {
			return nil
		}
		after = part[len(part)-1].ID
	}
}

func (c *Core) dump(w http.ResponseWriter, r *http.Request, _ []byte) (any, error) {
	q := r.URL.Query()
	for name := range q {
		if !slices.Contains([]string{"deleted", "after", "limit", "count", "digest", "fields"}, name) {
			return nil, fmt.Errorf("unknown parameter %q", name)
		}
	}
	object := r.PathValue("object")
	var fields []string
	if s := q.Get("fields"); s != "" {
		fields = strings.Split(s, ",")
	}
	if q.Get("count") == "true" || q.Get("digest") == "true" {
		return c.Summary(object, q.Get("digest") == "true", fields)
	}
	t, err := c.known(object)
	if err != nil {
		return nil, err
	}
	limit := 0
	if s := q.Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 {
			return nil, errors.New("limit must be a whole number above 0")
		}
	}
	deleted := q.Get("deleted")
	if deleted != "" && deleted != "true" && deleted != "false" {
		return nil, errors.New("deleted must be true, false or left out for both")
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	n := 0
	err = c.blocks(t, q.Get("after"), func(r *Record) error {
		if deleted != "" && (deleted == "true") != r.Deleted {
			return nil
		}
		if n++; limit > 0 && n > limit {
			return errStop
		}
		return enc.Encode(line(r))
	})
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		panic(http.ErrAbortHandler) // the answer has begun: a cut connection is all that is left to say
	}
	return nil, nil
}

func (c *Core) recordKnobs() []Knob {
	return []Knob{
		{
			Method: "GET", Path: "/_fake/records/{object}", Out: RecordLine{}, Lines: true,
			Summary: "Dump an object's records by ID, one JSON object per line; or count or digest them.",
			Query: []Param{
				{"deleted", "boolean", "only deleted ones (true) or only live ones (false)"},
				{"after", "string", "go on after this ID"},
				{"limit", "integer", "at most so many lines; without it all"},
				{"count", "boolean", "answer counts instead"},
				{"digest", "boolean", "answer counts and a digest instead"},
				{"fields", "string", "fields of the digest, separated by commas"},
			},
			Handle: c.dump,
		},
		NewKnob("GET", "/_fake/records/{object}/{id}", "Show one record.", func(r *http.Request, _ None) (RecordLine, error) {
			t, err := c.known(r.PathValue("object"))
			if err != nil {
				return RecordLine{}, err
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			rec, ok := t.Get(r.PathValue("id"))
			if !ok {
				return RecordLine{}, fmt.Errorf("record: %w", ErrNotFound)
			}
			return line(rec), nil
		}),
		NewKnob("POST", "/_fake/records/{object}", "Create a record as a user would.",
			func(r *http.Request, in fieldsIn) (RecordLine, error) {
				return lineOf(c.CreateRecord(r.PathValue("object"), in.Fields))
			}),
		NewKnob("PATCH", "/_fake/records/{object}/{id}", "Edit a record as a user would.",
			func(r *http.Request, in fieldsIn) (RecordLine, error) {
				return lineOf(c.UpdateRecord(r.PathValue("object"), r.PathValue("id"), in.Fields))
			}),
		NewKnob("DELETE", "/_fake/records/{object}/{id}", "Delete a record as a user would.",
			func(r *http.Request, _ None) (Done, error) {
				return Done{true}, c.DeleteRecord(r.PathValue("object"), r.PathValue("id"))
			}),
		NewKnob("POST", "/_fake/records/{object}/{id}/merge",
			"Merge a record into another as a user would; answers the survivor.", func(r *http.Request, in mergeIn) (RecordLine,
				error,
			) {
				return lineOf(c.MergeRecord(r.PathValue("object"), r.PathValue("id"), in.Into))
			}),
		NewKnob("POST", "/_fake/records/{object}/{id}/restore", "Take a record back from the recycle bin.",
			func(r *http.Request, _ None) (RecordLine, error) {
				return lineOf(c.RestoreRecord(r.PathValue("object"), r.PathValue("id")))
			}),
	}
}

func lineOf(r *Record, err error) (RecordLine, error) {
	if err != nil {
		return RecordLine{}, err
	}
	return line(r), nil
}
