package connectortest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// Thing is something that a connector is asked for; what it answers is written down.
type Thing func(ctx context.Context, c connector.Connector) (any, error)

// Answers asks a connector for each thing once, and writes down in testdata/answers,
// or a folder there, what it asked its app for, and what it made of the answers. Then the app says the same
// again with one place of one answer left out, or with something there that is not
// meant to be, or with another status; what comes of it is written down, too.
//
// check holds what is said against what is written of it, by the name of a file.
func Answers(t *testing.T, h Harness, folder string, check func(t testing.TB, name, said string)) {
	t.Helper()
	s := newSuite(t, h)
	things := s.things(t)
	for _, name := range slices.Sorted(maps.Keys(things)) {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // they share the fake
			r := &replay{s: s, t: t, thing: things[name]}
			check(t, path.Join("answers", folder, name+".txt"), r.tell())
		})
	}
	t.Run("app", func(t *testing.T) { //nolint:paralleltest // it takes no time
		check(t, path.Join("answers", folder, "app.txt"), strings.Join(lines(h.Driver.App, nil), "\n")+"\n")
	})
	t.Run("odd", func(t *testing.T) { //nolint:paralleltest // it takes no time
		check(t, path.Join("answers", folder, "odd.txt"), newSuite(t, h).odd(t))
	})
	if h.Refusals != nil {
		t.Run("refusals", func(t *testing.T) { //nolint:paralleltest // they share the fake
			check(t, path.Join("answers", folder, "refusals.txt"), newSuite(t, h).refused(t))
		})
	}
	if h.Driver.Webhooks != nil {
		t.Run("webhook", func(t *testing.T) { //nolint:paralleltest // they share the fake
			check(t, path.Join("answers", folder, "webhook.txt"), s.delivered(t))
		})
	}
}

// things are what every connector is asked for, of two people with a value in every
// field that takes one.
func (s *suite) things(t *testing.T) map[string]Thing {
	t.Helper()
	ctx := t.Context()
	schema, err := s.conn.Fields(ctx, s.Object)
	if err != nil {
		t.Fatal(err)
	}
	ids := s.must(t, 0, 2)
	if s.app.Can(crm.AbilityMerges) { // a record that lives on in another
		if _, err := s.Fake.Merge(s.Object, s.must(t, 9, 1)[0], ids[1]); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range schema {
		if slices.Contains(s.fields(), f.Name) {
			continue
		}
		for _, text := range append(sample(f), "") { // fakes take texts that no user could have entered
			if s.Fake.Update(s.Object, ids[0], map[string]string{f.Name: text}) == nil && s.readable(t, ids[0], f.Name) {
				break
			}
		}
	}
	s.settle()
	var all []string
	for _, f := range schema[:min(len(schema), 60)] {
		all = append(all, f.Name)
	}
	by := crm.Field{Name: s.Email, Type: crm.TypeEmail}
	if at := slices.IndexFunc(schema, func(f crm.Field) bool { return f.Name == s.Email }); at >= 0 {
		by = schema[at]
	}
	full := crm.Fields{}
	if got, err := s.conn.BatchRead(ctx, s.Object, ids[:1], all); err == nil && got[0].Record != nil {
		for _, f := range schema {
			if v := got[0].Record.Fields[f.Name]; !f.ReadOnly && f.Name != s.Email && !v.Blank() {
				full[f.Name] = v
			}
		}
	}
	blank := crm.Fields{s.Last: crm.TextValue("Kept")}
	for name := range full {
		if name != s.Last && name != s.First {
			blank[name] = crm.NullValue()
		}
	}
	asked := []crm.RecordID{ids[0], missingLike(ids[0]), ids[1]}
	writes := func(ws ...connector.Write) Thing {
		return func(ctx context.Context, c connector.Connector) (any, error) {
			return c.BatchWrite(ctx, s.Object, ws[:min(len(ws), s.app.Limits.WriteBatch)])
		}
	}
	list := func(req connector.ChangesRequest) Thing {
		req.Object, req.Fields = s.Object, s.fields()
		return func(ctx context.Context, c connector.Connector) (any, error) {
			var pages []connector.ChangesPage
			for range 3 {
				page, err := c.Changes(ctx, req)
				if err != nil || page.Next == "" {
					return append(pages, page), err
				}
				pages, req.Position = append(pages, page), page.Next
			}
			return pages, nil
		}
	}
	out := map[string]Thing{
		"test":    func(ctx context.Context, c connector.Connector) (any, error) { return c.Test(ctx) },
		"objects": func(ctx context.Context, c connector.Connector) (any, error) { return c.Objects(ctx) },
		"fields":  func(ctx context.Context, c connector.Connector) (any, error) { return c.Fields(ctx, s.Object) },
		"read": func(ctx context.Context, c connector.Connector) (any, error) {
			return c.BatchRead(ctx, s.Object, asked[:min(len(asked), s.app.Limits.ReadBatch)], all)
		},
		"find": func(ctx context.Context, c connector.Connector) (any, error) {
			wanted := []string{email(0), "nobody@example.com", strings.ToUpper(email(1))}
			return c.BatchFind(ctx, s.Object, by, wanted[:min(len(wanted), s.app.Limits.FindBatch)], s.fields())
		},
		"full":    list(connector.ChangesRequest{Full: true}),
		"changes": list(connector.ChangesRequest{}),
		"create": writes(
			connector.Write{Op: connector.Create, Fields: values(s.person(500)), Ref: "a"},
			connector.Write{Op: connector.Create, Fields: values(s.person(501)), Ref: "b"},
		),
		"update": writes(
			connector.Write{Op: connector.Update, ID: ids[0], Fields: full, Ref: "a"},
			connector.Write{
				Op: connector.Update, ID: missingLike(ids[0]), Fields: crm.Fields{s.Last: crm.TextValue("None")},
				Ref: "b",
			},
			connector.Write{Op: connector.Update, ID: ids[1], Fields: crm.Fields{s.BadField: s.Bad}, Ref: "c"},
		),
		"clear": writes(connector.Write{Op: connector.Update, ID: ids[0], Fields: blank, Ref: "a"}),
	}
	if s.app.Can(crm.AbilityUpsert) {
		out["upsert"] = writes(connector.Write{
			Op: connector.Upsert, Key: connector.Key{Field: s.External, Value: "k1"}, Fields: values(s.person(502)), Ref: "a",
		})
	}
	if s.app.Can(crm.AbilityArchive) {
		out["archive"] = writes(
			connector.Write{Op: connector.Archive, ID: s.must(t, 5, 1)[0], Ref: "a"},
			connector.Write{Op: connector.Archive, ID: missingLike(ids[0]), Ref: "b"},
		)
	}
	s.extras(t, out, ids)
	return out
}

// extras are the things that only some connectors can do.
func (s *suite) extras(t *testing.T, out map[string]Thing, ids []crm.RecordID) {
	t.Helper()
	can := s.conn.Extras()
	if can.OwnerByEmail != nil && s.OwnerEmail != "" {
		owner, err := can.OwnerByEmail(t.Context(), s.OwnerEmail)
		if err != nil {
			t.Fatal(err)
		}
		out["owner"] = func(ctx context.Context, c connector.Connector) (any, error) {
			return c.Extras().OwnerByEmail(ctx, s.OwnerEmail)
		}
		out["owner-email"] = func(ctx context.Context, c connector.Connector) (any, error) {
			return c.Extras().OwnerEmail(ctx, owner)
		}
	}
	if can.CreateField != nil {
		out["create-field"] = func(ctx context.Context, c connector.Connector) (any, error) {
			f := crm.Field{Name: "lockstep_new", Label: "New", Type: crm.TypeText}
			return c.Extras().CreateField(ctx, s.Object, f)
		}
	}
	if can.DeleteField != nil {
		old, err := can.CreateField(t.Context(), s.Object, crm.Field{Name: "lockstep_old", Label: "Old", Type: crm.TypeText})
		if err != nil {
			t.Fatal(err)
		}
		out["delete-field"] = func(ctx context.Context, c connector.Connector) (any, error) {
			return nil, c.Extras().DeleteField(ctx, s.Object, old.Name)
		}
	}
	if can.History != nil {
		out["history"] = func(ctx context.Context, c connector.Connector) (any, error) {
			return c.Extras().History(ctx, s.Object, ids, []string{s.First, s.Last})
		}
	}
	if can.Self != nil {
		out["self"] = func(ctx context.Context, c connector.Connector) (any, error) { return c.Extras().Self(ctx) }
	}
	if can.Absorbed != nil {
		out["absorbed"] = func(ctx context.Context, c connector.Connector) (any, error) {
			return c.Extras().Absorbed(ctx, s.Object, ids)
		}
	}
	if can.Deleted != nil {
		if err := s.Fake.Delete(s.Object, s.must(t, 6, 1)[0]); err != nil {
			t.Fatal(err)
		}
		s.settle()
		out["deleted"] = func(ctx context.Context, c connector.Connector) (any, error) {
			return c.Extras().Deleted(ctx, s.Object, "", "")
		}
	}
}

// readable reports whether a record's field is read as it is now.
func (s *suite) readable(t *testing.T, id crm.RecordID, name string) bool {
	t.Helper()
	got, err := s.open(t).BatchRead(t.Context(), s.Object, []crm.RecordID{id}, []string{name})
	return err == nil && got[0].Err == nil && !got[0].Record.Fields[name].Blank()
}

// sample are texts that a field of that type may take.
func sample(f crm.Field) []string {
	out := []string{
		"Some text", "12.5", "7", "true", "2026-02-28", "2026-02-28T09:30:00Z", "https://example.com/a",
		"12:30", "00Q000000000001AAA",
	}
	if len(f.Options) > 0 {
		last := f.Options[len(f.Options)-1].Value
		return append([]string{f.Options[0].Value + ";" + last, f.Options[0].Value}, out...)
	}
	first := map[crm.FieldType]string{
		crm.TypeBoolean: "true", crm.TypeNumber: "12.5", crm.TypeDate: "2026-02-28", crm.TypeDateTime: "2026-02-28T09:30:00Z",
		crm.TypeURL: "https://example.com/a", crm.TypeEmail: "other@example.com", crm.TypePhone: "+1 415 555 0177",
	}[f.Type]
	if first == "" {
		return out
	}
	return append([]string{first}, out...)
}

// kept is one request and its answer.
type kept struct {
	asked  string // method, address, headers and body
	status int
	header http.Header
	body   []byte
}

// replay asks a connector for one thing, with the answers that the fake gave once.
type replay struct {
	s     *suite
	t     *testing.T
	thing Thing
	kept  []kept
	base  []string // what came, line by line
}

func (r *replay) tell() string {
	var out strings.Builder
	got, err := r.thing(r.t.Context(), r.s.Open(r.t, Tools{Tokens: r.s.tokens, Wrap: r.record}))
	r.base = r.lines(got, err)
	for i := range r.kept {
		k := &r.kept[i]
		fmt.Fprintf(&out, "asked: %s\nanswered: %d %s\n", k.asked, k.status, cut(r.hide(string(k.body)), 1500))
	}
	fmt.Fprintf(&out, "came:\n")
	for _, line := range r.base {
		fmt.Fprintf(&out, "  %s\n", cut(line, 400))
	}
	for i := range r.kept {
		r.spoil(&out, i)
	}
	return out.String()
}

// hide takes the token out.
func (r *replay) hide(text string) string {
	if token := r.s.tokens.current.Reveal(); token != "" {
		text = strings.ReplaceAll(text, token, "…")
	}
	return chance.ReplaceAllString(text, "…")
}

// lines are what came, without the token.
func (r *replay) lines(v any, err error) []string {
	out := lines(v, err)
	for i := range out {
		out[i] = r.hide(out[i])
	}
	return out
}

// chance is a text of crypto/rand.
var chance = regexp.MustCompile(`\b[A-Z2-7]{26}\b`)

// record keeps what the fake answers.
func (r *replay) record(rt http.RoundTripper) http.RoundTripper {
	return through(func(req *http.Request) (*http.Response, error) {
		asked := r.asked(req)
		resp, err := rt.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		k := kept{asked: asked, status: resp.StatusCode, header: resp.Header, body: body}
		r.kept = append(r.kept, k)
		return k.response(req), nil
	})
}

// asked is a request on some lines; it can be read once more.
func (r *replay) asked(req *http.Request) string {
	var out strings.Builder
	address, err := url.QueryUnescape(req.URL.String())
	if err != nil {
		address = req.URL.String()
	}
	fmt.Fprintf(&out, "%s %s\n", req.Method, address)
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		fmt.Fprintf(&out, "  %s: %s\n", name, strings.Join(req.Header[name], " | "))
	}
	if req.Body != nil {
		body, _ := io.ReadAll(req.Body) // a buffer
		req.Body = io.NopCloser(bytes.NewReader(body))
		fmt.Fprintf(&out, "  %s\n", cut(r.hide(string(body)), 3000))
	}
	return strings.TrimSuffix(r.hide(out.String()), "\n")
}

func (k *kept) response(req *http.Request) *http.Response {
	return &http.Response{
		Status: http.StatusText(k.status), StatusCode: k.status, Header: k.header.Clone(),
		Body:          io.NopCloser(bytes.NewReader(k.body)),
		ContentLength: int64(len(k.body)), Request: req, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
}

// with asks again, with another answer at one place, and tells what came.
func (r *replay) with(at int, other kept) string {
	came, strange := r.again(at, other)
	text := difference(r.base, came)
	if len(strange) > 0 {
		text += "; asked for " + strings.Join(strange, ", ")
	}
	return text
}

// again asks again, with another answer at one place. strange is what the app was
// asked for besides.
func (r *replay) again(at int, other kept) (came, strange []string) {
	first, twice := map[string]*kept{}, 0
	for i := range r.kept {
		if first[r.kept[i].asked] == nil {
			first[r.kept[i].asked] = &r.kept[i]
		}
	}
	wrap := func(http.RoundTripper) http.RoundTripper {
		return through(func(req *http.Request) (*http.Response, error) {
			asked := r.asked(req)
			k := first[asked]
			switch {
			case asked == r.kept[at].asked:
				if twice++; twice > 1 && r.kept[at].status < 300 { // it asks again, after a refusal
					strange = append(strange, "again")
				}
				k = &other
			case k == nil:
				line, _, _ := strings.Cut(asked, "\n")
				strange = append(strange, line)
				k = &kept{status: http.StatusServiceUnavailable}
			}
			return k.response(req), nil
		})
	}
	tokens := &Tokens{current: r.s.tokens.current, mint: r.s.Token}
	tokens.End()
	got, err := r.thing(r.t.Context(), r.s.Open(r.t, Tools{Tokens: tokens, Wrap: wrap}))
	return r.lines(got, err), strange
}

// spoil tells what comes of other answers to one request.
func (r *replay) spoil(out *strings.Builder, at int) {
	k := r.kept[at]
	say := func(place string, alike map[string][]string) {
		for _, text := range slices.Sorted(maps.Keys(alike)) {
			if text != "the same" {
				fmt.Fprintf(out, "%d %s, %s: %s\n", at+1, cmp.Or(place, "the whole"), strings.Join(alike[text], ", "), text)
			}
		}
	}
	alike := map[string][]string{}
	for _, status := range []int{204, 301, 400, 401, 403, 404, 409, 410, 413, 414, 422, 423, 429, 500, 503} {
		text := r.with(at, kept{
			status: status, header: http.Header{"Retry-After": {"7"}, "Content-Type": {"application/json"}},
		})
		alike[text] = append(alike[text], fmt.Sprint(status))
	}
	say("status", alike)
	var doc any
	dec := json.NewDecoder(bytes.NewReader(k.body))
	dec.UseNumber()
	if dec.Decode(&doc) != nil {
		return
	}
	for _, p := range places(doc) {
		alike := map[string][]string{}
		for _, v := range p.variants {
			other := k
			other.body = []byte(v.body)
			text := r.with(at, other)
			alike[text] = append(alike[text], v.name)
		}
		say(p.at, alike)
	}
}

// refused tells what comes of the refusals that the harness has, in the last
// request of each call.
func (s *suite) refused(t *testing.T) string {
	t.Helper()
	things := s.things(t)
	replays := map[string]*replay{}
	for _, name := range slices.Sorted(maps.Keys(things)) { // what one changes the next ones see
		r := &replay{s: s, t: t, thing: things[name]}
		got, err := r.thing(t.Context(), s.Open(t, Tools{Tokens: s.tokens, Wrap: r.record}))
		if r.base = r.lines(got, err); len(r.kept) > 0 {
			replays[name] = r
		}
	}
	var out strings.Builder
	for _, body := range s.Refusals {
		alike := map[string][]string{}
		for _, name := range slices.Sorted(maps.Keys(replays)) {
			r, says := replays[name], map[string][]string{}
			for _, status := range []int{200, 207, 400, 401, 403, 404, 409, 429, 500} {
				came, strange := r.again(len(r.kept)-1, kept{
					status: status, header: http.Header{"Content-Type": {"application/json"}}, body: []byte(body),
				})
				text := strings.Join(append(told(came), strange...), "; ")
				says[text] = append(says[text], fmt.Sprint(status))
			}
			for text, statuses := range says {
				alike[text] = append(alike[text], name+" "+strings.Join(statuses, " "))
			}
		}
		fmt.Fprintf(&out, "%s\n", body)
		for _, text := range slices.Sorted(maps.Keys(alike)) {
			slices.Sort(alike[text])
			fmt.Fprintf(&out, "  %s: %s\n", strings.Join(alike[text], ", "), cmp.Or(text, "no trouble"))
		}
	}
	return out.String()
}

// told are the lines that say what went wrong, and with which record.
func told(lines []string) []string {
	return slices.DeleteFunc(lines, func(line string) bool {
		return strings.Contains(line, "Exchange") || !strings.HasPrefix(line, "error: ") && !strings.Contains(line, "Err ") &&
			!strings.Contains(line, "Existing")
	})
}

// delivered tells what comes of a delivery, of the same with another header, and with
// another body.
func (s *suite) delivered(t *testing.T) string {
	t.Helper()
	hooks := s.Driver.Webhooks
	s.Fake.Hook(cmp.Or(s.HookURL, "https://lockstep.example/hooks/token"), hookSecret)
	trust := connector.WebhookTrust{Secret: secret.NewText(hookSecret), ExternalID: s.ExternalID}
	ids := s.must(t, 20, 2)
	if err := s.Fake.Update(s.Object, ids[0], map[string]string{s.Last: "Changed"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Fake.Delete(s.Object, ids[1]); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for i, d := range s.Fake.Deliveries() {
		parsed := func(d connector.WebhookRequest) []string {
			events, err := hooks.Parse(d)
			return lines(events, err)
		}
		verified := func(d connector.WebhookRequest) string {
			return strings.Join(lines(nil, hooks.Verify(d, trust, s.clock.Now())), " ")
		}
		fmt.Fprintf(&out, "delivery %d: %s %s\n  %s\nverified: %s\n", i+1, d.Method, d.URL, cut(string(d.Body), 1500),
			verified(d))
		for _, name := range slices.Sorted(maps.Keys(d.Header)) {
			for _, c := range []struct {
				how    string
				values []string
			}{{"left out", nil}, {"twice", []string{d.Header[name][0], "x"}}, {"changed", []string{d.Header[name][0] + "x"}}} {
				other := d
				other.Header = d.Header.Clone()
				other.Header[name] = c.values
				if c.values == nil {
					delete(other.Header, name)
				}
				fmt.Fprintf(&out, "  %s %s: %s\n", name, c.how, verified(other))
			}
		}
		base := parsed(d)
		for _, line := range base {
			fmt.Fprintf(&out, "  %s\n", line)
		}
		var doc any
		dec := json.NewDecoder(bytes.NewReader(d.Body))
		dec.UseNumber()
		if dec.Decode(&doc) != nil {
			continue
		}
		for _, p := range places(doc) {
			alike := map[string][]string{}
			for _, v := range p.variants {
				other := d
				other.Body = []byte(v.body)
				text := difference(base, parsed(other))
				alike[text] = append(alike[text], v.name)
			}
			for _, text := range slices.Sorted(maps.Keys(alike)) {
				if text != "the same" {
					fmt.Fprintf(&out, "%d %s, %s: %s\n", i+1, cmp.Or(p.at, "the whole"), strings.Join(alike[text], ", "), text)
				}
			}
		}
	}
	return out.String()
}

// difference is what is said otherwise, in few words.
func difference(base, now []string) string {
	if strings.HasPrefix(now[0], "error: ") && (len(now) == 1 || now[1] == " []") && !slices.Equal(base, now) {
		return cut(now[0], 200)
	}
	left := map[string]int{}
	for _, line := range base {
		left[line]++
	}
	var out []string
	for _, line := range now {
		if left[line] > 0 {
			left[line]--
			continue
		}
		out = append(out, "+ "+line)
	}
	for _, line := range base {
		if left[line] > 0 {
			left[line]--
			out = append(out, "- "+line)
		}
	}
	if out == nil {
		return "the same"
	}
	return cut(strings.Join(out, " "), 200)
}

// cut shortens a text; what is left out is told by a sum.
func cut(text string, most int) string {
	text = strings.ReplaceAll(text, "\n", " ")
	r := []rune(text)
	if len(r) <= most {
		return text
	}
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(text)) // a sum never fails
	return fmt.Sprintf("%s… %d more, %08x", string(r[:most]), len(r)-most, sum.Sum32())
}
