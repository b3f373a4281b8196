package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// people are the live records of one fake by ID.
type people map[crm.RecordID]map[string]string

// dump reads all live records of an object from a fake.
func dump(ctx context.Context, base, object string) (people, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/_fake/records/"+object+"?deleted=false", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end or given up
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the dump of %s answered %d", object, resp.StatusCode)
	}
	out := people{}
	dec := json.NewDecoder(resp.Body)
	for {
		var l fakekit.RecordLine
		err := dec.Decode(&l)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out[crm.RecordID(l.ID)] = l.Fields
	}
}

// unlike compares two linked records field by field, as a person would: phone
// numbers by what they dial, e-mail addresses without regard to case. It
// returns the mappings whose values differ. It uses nothing of what did the
// syncing.
func unlike(mappings []crm.Mapping, country string, left, right map[string]string) []crm.MappingID {
	var out []crm.MappingID
	for _, m := range mappings {
		a, b := joinFields(left, m.Left), joinFields(right, m.Right)
		if read(m.Transform.Type, country, a) != read(m.Transform.Type, country, b) {
			out = append(out, m.ID)
		}
	}
	return out
}

func joinFields(fields map[string]string, names []string) string {
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = fields[n]
	}
	return strings.Join(parts, "\x00")
}

func read(t crm.TransformType, country, v string) string {
	switch t { //nolint:exhaustive // the rest is compared as it stands
	case crm.TransformEmail:
		return strings.ToLower(strings.TrimSpace(v))
	case crm.TransformPhone:
		if n, err := phonenumbers.Parse(v, country); err == nil {
			return phonenumbers.Format(n, phonenumbers.E164)
		}
	case crm.TransformFullName: // one field, or two
		return strings.TrimSpace(strings.ReplaceAll(v, "\x00", " "))
	}
	return v
}
