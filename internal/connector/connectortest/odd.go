package connectortest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

// odd asks for what cannot be: objects, records and places that no app has, too
// little and too much. It tells what is said, and what the app was asked.
func (s *suite) odd(t *testing.T) string {
	t.Helper()
	ids := s.must(t, 0, 2)
	s.settle()
	email := crm.Field{Name: s.Email, Type: crm.TypeEmail}
	things := map[string]Thing{}
	for _, object := range []string{"nonsense", "no such/object?", ""} {
		things["fields of "+object] = func(ctx context.Context, c connector.Connector) (any, error) {
			return c.Fields(ctx, object)
		}
		things["list "+object] = func(ctx context.Context, c connector.Connector) (any, error) {
			return c.Changes(ctx, connector.ChangesRequest{Object: object})
		}
		things["list all "+object] = func(ctx context.Context, c connector.Connector) (any, error) {
			return c.Changes(ctx, connector.ChangesRequest{Object: object, Full: true})
		}
		things["read "+object] = func(ctx context.Context, c connector.Connector) (any, error) {
			return c.BatchRead(ctx, object, []crm.RecordID{"1"}, s.fields())
		}
		things["find "+object] = func(ctx context.Context, c connector.Connector) (any, error) {
			return c.BatchFind(ctx, object, email, []string{"a@example.com"}, s.fields())
		}
		things["create "+object] = func(ctx context.Context, c connector.Connector) (any, error) {
			w := connector.Write{Op: connector.Create, Fields: crm.Fields{"x": crm.TextValue("y")}, Ref: "r"}
			return c.BatchWrite(ctx, object, []connector.Write{w})
		}
		extra := s.conn.Extras()
		if extra.Absorbed != nil {
			things["absorbed "+object] = func(ctx context.Context, c connector.Connector) (any, error) {
				return c.Extras().Absorbed(ctx, object, []crm.RecordID{"1"})
			}
		}
		if extra.History != nil {
			things["history "+object] = func(ctx context.Context, c connector.Connector) (any, error) {
				return c.Extras().History(ctx, object, []crm.RecordID{"1"}, s.fields())
			}
		}
		if extra.Deleted != nil {
			things["deleted "+object] = func(ctx context.Context, c connector.Connector) (any, error) {
				return c.Extras().Deleted(ctx, object, "", "")
			}
		}
		if extra.CreateField != nil {
			things["create field of "+object] = func(ctx context.Context, c connector.Connector) (any, error) {
				return c.Extras().CreateField(ctx, object, crm.Field{Name: "x", Label: "X", Type: crm.TypeText})
			}
		}
		if extra.DeleteField != nil {
			things["delete field of "+object] = func(ctx context.Context, c connector.Connector) (any, error) {
				return nil, c.Extras().DeleteField(ctx, object, "x")
			}
		}
	}
	for name, req := range map[string]connector.ChangesRequest{
		"cursor":        {Cursor: "x"},
		"position":      {Position: "x"},
		"until":         {Until: "x"},
		"all, position": {Position: "x", Full: true},
		"all, cursor":   {Cursor: "x", Full: true},
	} {
		things["list by a bad "+name] = func(ctx context.Context, c connector.Connector) (any, error) {
			req.Object, req.Fields = s.Object, s.fields()
			page, err := c.Changes(ctx, req)
			return len(page.Records), err
		}
	}
	for _, id := range []crm.RecordID{"", "no' such\\id", "../1", "0", "-1"} {
		things[fmt.Sprintf("read %q", id)] = func(ctx context.Context, c connector.Connector) (any, error) {
			return c.BatchRead(ctx, s.Object, []crm.RecordID{id}, s.fields())
		}
		for _, op := range []connector.Op{connector.Update, connector.Archive, connector.Upsert, "nonsense"} {
			things[fmt.Sprintf("%s %q", op, id)] = func(ctx context.Context, c connector.Connector) (any, error) {
				w := connector.Write{Op: op, ID: id, Fields: crm.Fields{s.Last: crm.TextValue("x")}, Ref: "r"}
				return c.BatchWrite(ctx, s.Object, []connector.Write{w})
			}
		}
	}
	for more := range 2 {
		size := map[int]string{0: "nothing", 1: "more than may be"}[more]
		things["read "+size] = func(ctx context.Context, c connector.Connector) (any, error) {
			n := more * (s.app.Limits.ReadBatch + 1)
			got, err := c.BatchRead(ctx, s.Object, slices.Repeat([]crm.RecordID{"1"}, n), s.fields())
			return len(got), err
		}
		things["find "+size] = func(ctx context.Context, c connector.Connector) (any, error) {
			n := more * (s.app.Limits.FindBatch + 1)
			got, err := c.BatchFind(ctx, s.Object, email, slices.Repeat([]string{"a@example.com"}, n), s.fields())
			return len(got), err
		}
		things["write "+size] = func(ctx context.Context, c connector.Connector) (any, error) {
			ws := make([]connector.Write, more*(s.app.Limits.WriteBatch+1))
			for i := range ws {
				fields := crm.Fields{s.Last: crm.TextValue("x")}
				ws[i] = connector.Write{Op: connector.Update, ID: "1", Fields: fields, Ref: fmt.Sprint(i)}
			}
			got, err := c.BatchWrite(ctx, s.Object, ws)
			return len(got), err
		}
	}
	things["find the same in other cases, and blanks"] = func(ctx context.Context, c connector.Connector) (any, error) {
		wanted := []string{"Person0@example.com", "person0@EXAMPLE.com", "", " ", "person0@example.com"}
		return c.BatchFind(ctx, s.Object, email, wanted[:min(len(wanted), s.app.Limits.FindBatch)], []string{s.Last})
	}
	for name, fields := range map[string]crm.Fields{
		"no fields": {}, "an absent value": {s.Last: {}}, "a field that no app has": {"no such field": crm.TextValue("x")},
	} {
		things["write "+name] = func(ctx context.Context, c connector.Connector) (any, error) {
			w := connector.Write{Op: connector.Update, ID: ids[0], Fields: fields, Ref: "r"}
			return c.BatchWrite(ctx, s.Object, []connector.Write{w})
		}
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(things)) {
		r := &replay{s: s, t: t}
		var asked []string
		wrap := func(rt http.RoundTripper) http.RoundTripper {
			return through(func(req *http.Request) (*http.Response, error) {
				asked = append(asked, strings.ReplaceAll(r.asked(req), "\n", " "))
				return rt.RoundTrip(req)
			})
		}
		got, err := things[name](t.Context(), s.Open(t, Tools{Tokens: s.tokens, Wrap: wrap}))
		fmt.Fprintf(&out, "%s: %s\n", name, cut(strings.Join(r.lines(got, err), " "), 400))
		for _, text := range asked[:min(len(asked), 4)] {
			fmt.Fprintf(&out, "  asked: %s\n", cut(text, 300))
		}
	}
	return out.String()
}
