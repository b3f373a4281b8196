package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
)

// A step of the set-up is a part of a connection's document with an address and
// an ETag of its own: its syncs, a sync, its rules, its mappings, its match
// steps, one rule, one mapping. Writing one leaves the rest of the document as it
// is, and is checked, stored and audited like a change of the whole.

// stepPlace is where a part stands in the document.
type stepPlace struct {
	sync crm.SyncID // "" = the list of all
	list string     // "rules", "mappings" or "match" of a sync; "" = the sync itself
	id   string     // of an element of the list; "" = the list

	schema *huma.Schema
}

// find returns the part of a decoded document, and what puts another one in its
// place; false when there is none.
func (p stepPlace) find(doc any) (part any, put func(any), found bool) {
	whole, _ := doc.(map[string]any)
	if p.sync == "" {
		return whole["syncs"], func(v any) { whole["syncs"] = v }, true
	}
	part, put, found = element(whole, "syncs", string(p.sync))
	sync, _ := part.(map[string]any)
	switch {
	case !found || p.list == "":
		return part, put, found
	case p.id == "":
		return sync[p.list], func(v any) { sync[p.list] = v }, true
	}
	return element(sync, p.list, p.id)
}

// element finds an element of a list by its ID.
func element(in map[string]any, list, id string) (part any, put func(any), found bool) {
	all, _ := in[list].([]any)
	i := indexOf(all, id)
	if i < 0 || id == "" {
		return nil, nil, false
	}
	return all[i], func(v any) { all[i] = v }, true
}

// around is the list that an element stands in.
func (p stepPlace) around() stepPlace {
	if p.list == "" {
		return stepPlace{}
	}
	return stepPlace{sync: p.sync, list: p.list}
}

// named is the place of the element of that ID beside or in p.
func (p stepPlace) named(id string) stepPlace {
	if p.list == "" {
		p.sync = crm.SyncID(id)
	} else {
		p.id = id
	}
	return p
}

// word is what a person calls the part.
func (p stepPlace) word() string {
	if p.list == "" {
		return "sync"
	}
	return strings.TrimSuffix(p.list, "s")
}

// stepEdit changes the decoded document of a connection at a place. It answers
// where the part is to be found then: it may have got another name.
type stepEdit func(of *crm.Connection, doc any, at stepPlace) (stepPlace, *Problem)

func (s *server) registerSteps() {
	part := func(name string) *huma.Schema { return &huma.Schema{Ref: schemaPrefix + name} }
	sync := s.registry().Map()["SyncInput"]
	syncs := s.registry().Map()["ConnectionInput"].Properties["syncs"]
	merge := patchBody(anyObject("An RFC 7396 merge patch of the part"))

	s.registerElement("sync", "", part("SyncInput"), merge)
	s.registerElement("rule", "rules", part("RuleInput"), merge)
	s.registerElement("mapping", "mappings", part("MappingInput"), merge)

	all := func(*StepPath) stepPlace { return stepPlace{schema: syncs} }
	s.registerList("syncs", syncs, all)
	handle(s, "create-sync", func(ctx context.Context, in *struct {
		ConnectionPath
		ApplyInput
	},
	) (*stepOutput, error) {
		return s.addStep(ctx, in.ID, stepPlace{schema: part("SyncInput")}, in.Apply)
	}, jsonBody(loose(s.registry(), part("SyncInput")), true))
	for _, one := range []struct {
		name, list string
		schema     *huma.Schema
	}{{"rule", "rules", part("RuleInput")}, {"mapping", "mappings", part("MappingInput")}} {
		whole := sync.Properties[one.list]
		s.registerList(one.list, whole, func(in *StepPath) stepPlace { return stepPlace{in.Sync, one.list, "", whole} })
		handle(s, "create-"+one.name, func(ctx context.Context, in *struct {
			StepPath
			ApplyInput
		},
		) (*stepOutput, error) {
			return s.addStep(ctx, in.ID, stepPlace{in.Sync, one.list, "", one.schema}, in.Apply)
		}, jsonBody(loose(s.registry(), one.schema), true))
	}
	match := sync.Properties["match"]
	at := func(in *StepPath) stepPlace { return stepPlace{in.Sync, "match", "", match} }
	s.registerList("match", match, at)
	handle(s, "patch-match", func(ctx context.Context, in *stepChange) (*stepOutput, error) {
		return s.rewriteStep(ctx, in.ID, at(&in.StepPath), in.IfMatch, in.Apply, mergeMatch)
	}, patchBody(anyObject("An RFC 7396 merge patch: the steps of to_right, to_left or both")))
}

// registerElement serves one sync, rule or mapping.
func (s *server) registerElement(name, list string, schema *huma.Schema, merge func(*huma.Operation)) {
	at := func(in *StepElement) stepPlace { return stepPlace{in.Sync, list, in.Part, schema} }
	body := jsonBody(loose(s.registry(), schema), true)
	if list == "" { // whose path has a name less
		at := func(in *StepPath) stepPlace { return stepPlace{in.Sync, "", "", schema} }
		handle(s, "get-"+name, func(ctx context.Context, in *StepPath) (*stepOutput, error) {
			return s.getStep(ctx, in.ID, at(in))
		})
		handle(s, "put-"+name, func(ctx context.Context, in *stepChange) (*stepOutput, error) {
			return s.rewriteStep(ctx, in.ID, at(&in.StepPath), in.IfMatch, in.Apply, replacePart)
		}, body)
		handle(s, "patch-"+name, func(ctx context.Context, in *stepChange) (*stepOutput, error) {
			return s.rewriteStep(ctx, in.ID, at(&in.StepPath), in.IfMatch, in.Apply, mergePatched)
		}, merge)
		handle(s, "delete-"+name, func(ctx context.Context, in *stepChange) (*struct{}, error) {
			return nil, s.removeStep(ctx, in.ID, at(&in.StepPath), in.IfMatch, in.Apply)
		})
		return
	}
	handle(s, "get-"+name, func(ctx context.Context, in *StepElement) (*stepOutput, error) {
		return s.getStep(ctx, in.ID, at(in))
	})
	handle(s, "put-"+name, func(ctx context.Context, in *stepElementChange) (*stepOutput, error) {
		return s.rewriteStep(ctx, in.ID, at(&in.StepElement), in.IfMatch, in.Apply, replacePart)
	}, body)
	handle(s, "patch-"+name, func(ctx context.Context, in *stepElementChange) (*stepOutput, error) {
		return s.rewriteStep(ctx, in.ID, at(&in.StepElement), in.IfMatch, in.Apply, mergePatched)
	}, merge)
	handle(s, "delete-"+name, func(ctx context.Context, in *stepElementChange) (*struct{}, error) {
		return nil, s.removeStep(ctx, in.ID, at(&in.StepElement), in.IfMatch, in.Apply)
	})
}

// registerList serves a whole list: all syncs, or the rules, mappings or match
// steps of one.
func (s *server) registerList(name string, schema *huma.Schema, at func(*StepPath) stepPlace) {
	body := jsonBody(loose(s.registry(), schema), true)
	if name == "syncs" {
		handle(s, "get-syncs", func(ctx context.Context, in *connectionPath) (*stepOutput, error) {
			return s.getStep(ctx, in.ID, at(nil))
		})
		handle(s, "put-syncs", func(ctx context.Context, in *SaveInput) (*stepOutput, error) {
			return s.rewriteStep(ctx, in.ID, at(nil), in.IfMatch, in.Apply, replacePart)
		}, body)
		return
	}
	handle(s, "get-"+name, func(ctx context.Context, in *StepPath) (*stepOutput, error) {
		return s.getStep(ctx, in.ID, at(in))
	})
	handle(s, "put-"+name, func(ctx context.Context, in *stepChange) (*stepOutput, error) {
		return s.rewriteStep(ctx, in.ID, at(&in.StepPath), in.IfMatch, in.Apply, replacePart)
	}, body)
}

// insteadOfMerging says what to do where somebody would merge into a list: a merge
// patch (RFC 7396) knows no elements, it could only replace the whole.
func (s *server) insteadOfMerging(r *http.Request, p *Problem) *Problem {
	_, pattern := s.mux.Handler(&http.Request{Method: http.MethodPut, URL: r.URL, Host: r.Host})
	sv, isRoute := s.routes[pattern]
	if p.Code == CodeMethodNotAllowed && r.Method == http.MethodPatch && isRoute &&
		slices.Contains([]string{"put-syncs", "put-rules", "put-mappings"}, sv.id) {
		p.Detail = "a merge patch cannot change elements of a list: PUT the whole list, or POST, PATCH and DELETE one element"
	}
	return p
}

// StepPath names a sync.
type StepPath struct {
	ID   crm.ConnectionID `path:"id" maxLength:"200"`
	Sync crm.SyncID       `path:"sync" maxLength:"40"`
}

// StepElement names a rule or a mapping of a sync.
type StepElement struct {
	StepPath
	Part string `path:"part" maxLength:"200" doc:"ID of the rule or mapping"`
}

type stepChange struct {
	StepPath
	ApplyInput
	IfMatch string `header:"If-Match" doc:"ETag of the part that the change is based on; required"`
}

type stepElementChange struct {
	StepElement
	ApplyInput
	IfMatch string `header:"If-Match" doc:"ETag of the part that the change is based on; required"`
}

type stepOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Applied  string `header:"Lockstep-Applied" doc:"Of a save, once the connection was started: as JSON what the answer for the whole connection says under applied, with its touches, without their details"`
	Body     json.RawMessage
}

func replacePart(_, fresh any) any { return fresh }

// mergeMatch applies a merge patch to match steps. One list for both ways becomes
// one for each when a patch names a way.
func mergeMatch(part, patch any) any {
	if steps, same := part.([]any); same {
		part = map[string]any{"to_right": steps, "to_left": steps}
	}
	return mergePatched(part, patch)
}

// stepOf reads a part of a stored document.
func stepOf(c *crm.Connection, at stepPlace) (part any, p *Problem) {
	doc, p := strictJSON(encodeDocument(c))
	if p != nil {
		return nil, p
	}
	part, _, p = locate(c, doc, at)
	return part, p
}

// locate finds a part in the decoded document of a connection.
func locate(c *crm.Connection, doc any, at stepPlace) (part any, put func(any), p *Problem) {
	part, put, found := at.find(doc)
	if !found {
		what := "sync"
		if c.Sync(at.sync) != nil {
			what = at.word()
		}
		return nil, nil, problem(http.StatusNotFound, CodeNotFound, "the connection has no such "+what)
	}
	return part, put, nil
}

func stepAnswer(part any) (*stepOutput, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(part); err != nil {
		return nil, fmt.Errorf("write a part of a document: %w", err)
	}
	text := bytes.TrimSpace(b.Bytes())
	return &stepOutput{ETag: partTag(text), Body: text}, nil
}

// partTag is the version of a part: of what it says, whatever else of the
// document has changed.
func partTag(text []byte) string {
	sum := sha256.Sum256(text)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

func (s *server) getStep(ctx context.Context, id crm.ConnectionID, at stepPlace) (*stepOutput, error) {
	c, _, err := s.connection(ctx, id)
	if err != nil {
		return nil, err
	}
	part, p := stepOf(c, at)
	if p != nil {
		return nil, p
	}
	return stepAnswer(part)
}

// rewriteStep puts what join makes of a part and the body in the part's place.
func (s *server) rewriteStep(
	ctx context.Context, id crm.ConnectionID, at stepPlace, ifMatch, apply string, join func(part, body any) any,
) (*stepOutput, error) {
	change, p := strictJSON(bodyOf(ctx))
	if p == nil {
		p = checkRemovals(s.registry(), at.schema, change)
	}
	if p != nil {
		return nil, p
	}
	edit := func(of *crm.Connection, doc any, at stepPlace) (stepPlace, *Problem) {
		part, put, p := locate(of, doc, at)
		if p != nil {
			return at, p
		}
		fresh := join(part, change)
		if p := s.wrongForm(of, at.schema, keepsName(part, fresh)); p != nil {
			return at, p // its places are those in the part
		}
		if _, one := fresh.(map[string]any); one && at.list != "match" {
			renamed := at.named(idOf(fresh))
			if p := freeName(doc, at, idOf(part), idOf(fresh)); p != nil {
				return at, p
			}
			at = renamed
		}
		put(fresh)
		return at, nil
	}
	return s.changeStep(ctx, id, at, &ifMatch, apply, edit)
}

// keepsName gives a part that names itself no longer the name that its address has.
func keepsName(part, fresh any) any {
	if one, ok := fresh.(map[string]any); ok && idOf(part) != "" && one["id"] == nil {
		one["id"] = idOf(part)
	}
	return fresh
}

// freeName refuses a name that nobody could address the part by.
func freeName(doc any, at stepPlace, was, is string) *Problem {
	list, _, _ := at.around().find(doc)
	all, _ := list.([]any)
	code, detail := "", ""
	switch {
	case !mapping.Addressable(is):
		code, detail = mapping.CodeMissingID, "a "+at.word()+" is addressed by its ID: give it one that is neither . nor .."
	case is != was && indexOf(all, is) >= 0:
		code, detail = mapping.CodeDuplicateID, "another "+at.word()+" has this ID: choose another, or change that one"
	default:
		return nil
	}
	return problem(http.StatusBadRequest, code, "", ProblemItem{Pointer: "/id", Detail: detail, Code: code})
}

// addStep puts the body at the end of a list. Without an ID it gets a free one.
func (s *server) addStep(ctx context.Context, id crm.ConnectionID, at stepPlace, apply string) (*stepOutput, error) {
	fresh, p := strictJSON(bodyOf(ctx))
	if p != nil {
		return nil, p
	}
	line, _ := fresh.(map[string]any)
	anonymous := line["id"] == nil
	edit := func(of *crm.Connection, doc any, at stepPlace) (stepPlace, *Problem) {
		list, put, p := locate(of, doc, at.around())
		if p != nil {
			return at, p
		}
		all, _ := list.([]any)
		if anonymous {
			line["id"] = unusedID(all, at.word())
		}
		if p := s.wrongForm(of, at.schema, fresh); p != nil {
			return at, p
		}
		if p := freeName(doc, at, "", idOf(fresh)); p != nil {
			return at, p
		}
		put(append(slices.Clone(all), fresh))
		return at.named(idOf(fresh)), nil
	}
	out, err := s.changeStep(ctx, id, at, nil, apply, edit)
	if err != nil {
		return nil, err
	}
	out.Location = "/v1/connections/" + string(id) + "/syncs/"
	if at.list != "" {
		out.Location += url.PathEscape(string(at.sync)) + "/" + at.list + "/"
	}
	out.Location += url.PathEscape(idOf(line))
	return out, nil
}

// unusedID is the first of rule1, rule2 … that no element of a list has.
func unusedID(all []any, word string) string {
	for n := 1; ; n++ {
		if id := word + strconv.Itoa(n); indexOf(all, id) < 0 {
			return id
		}
	}
}

// removeStep takes an element out of its list.
func (s *server) removeStep(ctx context.Context, id crm.ConnectionID, at stepPlace, ifMatch, apply string) error {
	edit := func(of *crm.Connection, doc any, at stepPlace) (stepPlace, *Problem) {
		part, _, p := locate(of, doc, at)
		if p != nil {
			return at, p
		}
		list, put, p := locate(of, doc, at.around())
		if p != nil {
			return at, p
		}
		all, _ := list.([]any)
		i := indexOf(all, idOf(part))
		put(slices.Delete(slices.Clone(all), i, i+1))
		return at.around(), nil
	}
	_, err := s.changeStep(ctx, id, at, &ifMatch, apply, edit)
	return err
}

// changeStep stores a connection whose document was edited at one place. Whoever
// changes another part meanwhile is no hindrance. ifMatch is nil where something
// is added: there is nothing yet that a change could be based on.
func (s *server) changeStep(
	ctx context.Context, id crm.ConnectionID, at stepPlace, ifMatch *string, apply string, edit stepEdit,
) (*stepOutput, error) {
	for range 8 {
		old, _, err := s.changeable(ctx, id)
		if err != nil {
			return nil, err
		}
		if ifMatch != nil {
			if p := checkPart(*ifMatch, old, at); p != nil {
				return nil, p
			}
		}
		then := at
		to := applying{word: apply, sync: at.sync, part: at.list, line: crm.MappingID(at.id)}
		if ifMatch == nil { // what is added says nothing of what stands beside it
			to.part = "added"
		}
		out, err := s.change(ctx, &ChangeInput{ID: id, IfMatch: etag(old.Version)}, to,
			func(old *crm.Connection) ([]byte, error) {
				doc, p := strictJSON(encodeDocument(old))
				if p == nil {
					then, p = edit(old, doc, at)
				}
				if p != nil {
					return nil, p
				}
				return json.Marshal(doc)
			})
		switch {
		case err != nil && problemOf(err).Code == CodeStaleVersion:
			continue // the document changed: the part may be as it was
		case err != nil:
			return nil, err
		}
		part, p := stepOf(&out.Body.Connection, then)
		if p != nil {
			return nil, p
		}
		said, err := stepAnswer(part)
		if err == nil {
			said.Applied = saidOf(&out.Body)
		}
		return said, err
	}
	return nil, problem(http.StatusConflict, CodeBusy, "")
}

// checkPart is checkMatch for a part.
func checkPart(ifMatch string, c *crm.Connection, at stepPlace) *Problem {
	part, p := stepOf(c, at)
	if p != nil {
		return p
	}
	now, err := stepAnswer(part)
	switch {
	case err != nil:
		return problem(http.StatusInternalServerError, CodeInternal, "")
	case strings.TrimSpace(ifMatch) == "":
		return problem(http.StatusPreconditionRequired, CodePrecondition, "")
	}
	for tag := range strings.SplitSeq(ifMatch, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == now.ETag {
			return nil
		}
	}
	return problem(http.StatusPreconditionFailed, CodeStaleVersion, "").withHeader("ETag", now.ETag)
}
