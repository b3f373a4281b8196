package api

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// rebuild gives an entry that tells of a write the request and the answer, of which
// nothing but the small facts was kept: by side, the fields that were sent and the
// record that was written. It reports whether it did.
func rebuild(e *engine.Entry) bool {
	if len(e.Calls) == 0 || e.Request != "" || e.Response != "" || e.Outcome == crm.Failed {
		return false
	}
	sent, got := map[crm.Side]map[string]crm.Value{}, map[crm.Side]map[string]crm.RecordID{}
	for _, c := range e.Calls {
		record := e.Record
		if c.Side != e.Side {
			record = e.Partner
		}
		sent[c.Side], got[c.Side] = map[string]crm.Value{}, map[string]crm.RecordID{"id": record}
	}
	for _, d := range e.Writes() {
		if fields := sent[d.Side]; fields != nil {
			fields[d.Field] = d.After
		}
	}
	e.Request, e.Response = asText(sent), asText(got)
	return true
}

func asText(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // texts, values and IDs can be written
	return strings.TrimSpace(b.String())
}
