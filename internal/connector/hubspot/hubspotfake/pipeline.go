package hubspotfake

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

// pipeline is a row of stages that records go through (S: pipelines.json).
type pipeline struct {
	ID        string   `json:"id"`
	Label     string   `json:"label"`
	Order     int      `json:"displayOrder"`
	Stages    []*stage `json:"stages"`
	CreatedAt string   `json:"createdAt"`
	UpdatedAt string   `json:"updatedAt"`
	Archived  bool     `json:"archived"`
}

type stage struct {
	ID        string            `json:"id"`
	Label     string            `json:"label"`
	Order     int               `json:"displayOrder"`
	Metadata  map[string]string `json:"metadata"`
	CreatedAt string            `json:"createdAt"`
	UpdatedAt string            `json:"updatedAt"`
	Archived  bool              `json:"archived"`
	Writable  string            `json:"writePermissions"`
}

// pipelineIn is what makes or replaces a pipeline, stageIn a stage of one.
type pipelineIn struct {
	Label  string    `json:"label"`
	Order  int       `json:"displayOrder"`
	Stages []stageIn `json:"stages"`
}

type stageIn struct {
	Label    string            `json:"label"`
	Order    int               `json:"displayOrder"`
	Metadata map[string]string `json:"metadata"`
}

// patchIn changes a pipeline or a stage; what is not given stays.
type patchIn struct {
	Label    *string           `json:"label"`
	Order    *int              `json:"displayOrder"`
	Archived *bool             `json:"archived"`
	Metadata map[string]string `json:"metadata"`
}

// audit is an entry of the history of a pipeline or a stage (S).
type audit struct {
	Portal int    `json:"portalId"`
	ID     string `json:"identifier"`
	Action string `json:"action"`
	At     string `json:"timestamp"`
	User   int    `json:"fromUserId"`
	Raw    any    `json:"rawObject"`
}

func (f *account) pipelineRoutes(add func(r fakekit.Route, scope string, e endpoint)) {
	const read, write = "crm.schemas.{type}.read|crm.objects.{type}.read",
		"crm.schemas.{type}.write|crm.objects.{type}.write"
	for _, base := range []string{"/crm/v3/pipelines/{type}", "/crm/pipelines/2026-03/{type}"} {
		add(fakekit.Route{Pattern: "GET " + base}, read, f.listPipelines)
		add(fakekit.Route{Pattern: "POST " + base, Write: true}, write, f.createPipeline)
		add(fakekit.Route{Pattern: "GET " + base + "/{pipeline}"}, read, f.onPipeline(f.getPipeline))
		add(fakekit.Route{Pattern: "PUT " + base + "/{pipeline}", Write: true}, write, f.onPipeline(f.replacePipeline))
		add(fakekit.Route{Pattern: "PATCH " + base + "/{pipeline}", Write: true}, write, f.onPipeline(f.changePipeline))
		add(fakekit.Route{Pattern: "DELETE " + base + "/{pipeline}", Write: true}, write, f.onPipeline(f.dropPipeline))
		add(fakekit.Route{Pattern: "GET " + base + "/{pipeline}/audit"}, read, f.onPipeline(f.history))
		base += "/{pipeline}/stages"
		add(fakekit.Route{Pattern: "GET " + base}, read, f.onPipeline(f.listStages))
		add(fakekit.Route{Pattern: "POST " + base, Write: true}, write, f.onPipeline(f.createStage))
		add(fakekit.Route{Pattern: "GET " + base + "/{stage}"}, read, f.onStage(f.getStage))
		add(fakekit.Route{Pattern: "PUT " + base + "/{stage}", Write: true}, write, f.onStage(f.replaceStage))
		add(fakekit.Route{Pattern: "PATCH " + base + "/{stage}", Write: true}, write, f.onStage(f.changeStage))
		add(fakekit.Route{Pattern: "DELETE " + base + "/{stage}", Write: true}, write, f.onStage(f.dropStage))
		add(fakekit.Route{Pattern: "GET " + base + "/{stage}/audit"}, read, f.onStage(f.stageHistory))
	}
}

// salesPipeline is the pipeline that every account begins with; its stages are
// those of the property.
func (f *account) salesPipeline(o *object) {
	at := f.Now().Format(stamp)
	p := &pipeline{ID: "default", Label: "Sales Pipeline", CreatedAt: at, UpdatedAt: at}
	chances := map[string]string{
		"appointmentscheduled": "0.2", "qualifiedtobuy": "0.4", "contractsent": "0.9", "closedwon": "1.0",
		"closedlost": "0.0",
	}
	stages, _ := o.prop("dealstage")
	for i, opt := range stages.Options {
		chance := chances[opt.Value]
		closed := strconv.FormatBool(chance == "1.0" || chance == "0.0")
		p.Stages = append(p.Stages, &stage{
			ID: opt.Value, Label: opt.Label, Order: i, CreatedAt: at, UpdatedAt: at, Writable: "CRM_PERMISSIONS_ENFORCEMENT",
			Metadata: map[string]string{"isClosed": closed, "probability": chance},
		})
	}
	o.pipelines = []*pipeline{p}
}

// onPipeline finds the pipeline of a path.
func (f *account) onPipeline(h func(c *call, p *pipeline) (int, any, *apiError)) endpoint {
	return func(c *call) (int, any, *apiError) {
		i := slices.IndexFunc(c.o.pipelines, func(p *pipeline) bool { return p.ID == c.PathValue("pipeline") })
		if i < 0 {
			return 0, nil, notFound()
		}
		return h(c, c.o.pipelines[i])
	}
}

// onStage finds the stage of a path.
func (f *account) onStage(h func(c *call, p *pipeline, s *stage) (int, any, *apiError)) endpoint {
	return f.onPipeline(func(c *call, p *pipeline) (int, any, *apiError) {
		i := slices.IndexFunc(p.Stages, func(s *stage) bool { return s.ID == c.PathValue("stage") })
		if i < 0 {
			return 0, nil, notFound()
		}
		return h(c, p, p.Stages[i])
	})
}

// audited notes what was done, and gives the properties the options that the
// pipelines now have.
func (f *account) audited(o *object, action, id string, raw any) {
	f.audits = append(f.audits, audit{f.portal, id, action, f.Now().Format(stamp), 7001, raw})
	var lines, stages []option
	for i, p := range o.pipelines {
		lines = append(lines, option{Label: p.Label, Value: p.ID, Order: i})
		for _, s := range p.Stages {
			stages = append(stages, option{Label: s.Label, Value: s.ID, Order: len(stages)})
		}
	}
	o.setOptions("pipeline", lines)
	o.setOptions("dealstage", stages)
}

// setOptions replaces a property's options; answers under way keep the old ones.
func (o *object) setOptions(name string, options []option) {
	for i, p := range o.props {
		if p.Name == name {
			next := *p
			next.Options = slices.Clone(options)
			o.props[i] = &next
		}
	}
}

func (f *account) listPipelines(c *call) (int, any, *apiError) {
	if e := c.allow(); e != nil {
		return 0, nil, e
	}
	return http.StatusOK, map[string]any{"results": append([]*pipeline{}, c.o.pipelines...)}, nil
}

func (f *account) getPipeline(_ *call, p *pipeline) (int, any, *apiError) {
	return http.StatusOK, p, nil
}

func (f *account) createPipeline(c *call) (int, any, *apiError) {
	var in pipelineIn
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	at := f.Tick().Format(stamp)
	p := &pipeline{ID: f.newID(), CreatedAt: at}
	if e := f.fillPipeline(c.o, p, in); e != nil {
		return 0, nil, e
	}
	c.o.pipelines = append(c.o.pipelines, p)
	f.audited(c.o, "CREATE", p.ID, p)
	return http.StatusCreated, p, nil
}

// fillPipeline gives a pipeline what a caller wants it to be.
func (f *account) fillPipeline(o *object, p *pipeline, in pipelineIn) *apiError {
	if o.name != "deals" {
		return invalid("%s have no pipelines", o.name)
	}
	if e := o.freeLabel(p, in.Label); e != nil {
		return e
	}
	stages := make([]*stage, 0, len(in.Stages))
	for _, s := range in.Stages {
		made, e := f.newStage(stages, s)
		if e != nil {
			return e
		}
		stages = append(stages, made)
	}
	p.Label, p.Order, p.Stages, p.UpdatedAt = in.Label, in.Order, stages, f.Now().Format(stamp)
	return nil
}

// freeLabel refuses a label that is blank or another pipeline's.
func (o *object) freeLabel(p *pipeline, label string) *apiError {
	if strings.TrimSpace(label) == "" {
		return invalid("label must not be blank")
	}
	for _, q := range o.pipelines {
		if q != p && strings.EqualFold(q.Label, label) {
			return &apiError{
				status: http.StatusConflict, Category: catConflict, Message: "A pipeline with this label exists already: " + label,
			}
		}
	}
	return nil
}

// newStage makes a stage; those of deals say how probable a deal in them is
// (guide/crm-pipelines-v3).
func (f *account) newStage(others []*stage, in stageIn) (*stage, *apiError) {
	at := f.Now().Format(stamp)
	s := &stage{ID: f.newID(), CreatedAt: at, Writable: "CRM_PERMISSIONS_ENFORCEMENT"}
	return s, f.fillStage(others, s, in)
}

func (f *account) fillStage(others []*stage, s *stage, in stageIn) *apiError {
	if strings.TrimSpace(in.Label) == "" {
		return invalid("label must not be blank")
	}
	for _, q := range others {
		if q != s && strings.EqualFold(q.Label, in.Label) {
			return &apiError{
				status: http.StatusConflict, Category: catConflict, Message: "A stage with this label exists already: " + in.Label,
			}
		}
	}
	chance, err := strconv.ParseFloat(in.Metadata["probability"], 64)
	if err != nil || chance < 0 || chance > 1 {
		return invalid("metadata.probability must be between 0.0 and 1.0")
	}
	meta := map[string]string{"isClosed": strconv.FormatBool(chance == 0 || chance == 1)}
	for k, v := range in.Metadata {
		meta[k] = v
	}
	s.Label, s.Order, s.Metadata, s.UpdatedAt = in.Label, in.Order, meta, f.Now().Format(stamp)
	return nil
}

// used refuses to end what records stand in, when the caller wants that checked:
// for deals by a parameter of their own (changelog/pipeline-stage-validation-true).
func (f *account) used(c *call, property string, ids ...string) *apiError {
	if e := c.allow("validateReferencesBeforeDelete", "validateDealStageUsagesBeforeDelete"); e != nil {
		return e
	}
	if !c.flag("validateDealStageUsagesBeforeDelete") {
		return nil
	}
	n := 0
	c.o.table.Each("", func(r *fakekit.Record) bool {
		if !r.Deleted && slices.Contains(ids, r.Fields[property]) {
			n++
		}
		return true
	})
	if n > 0 {
		return invalid("%d %s are in it: it cannot be deleted", n, c.o.name)
	}
	return nil
}

func (f *account) replacePipeline(c *call, p *pipeline) (int, any, *apiError) {
	var in pipelineIn
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	var ids []string
	for _, s := range p.Stages {
		ids = append(ids, s.ID)
	}
	if e := f.used(c, "dealstage", ids...); e != nil {
		return 0, nil, e
	}
	if e := f.fillPipeline(c.o, p, in); e != nil {
		return 0, nil, e
	}
	f.audited(c.o, "UPDATE", p.ID, p)
	return http.StatusOK, p, nil
}

func (f *account) changePipeline(c *call, p *pipeline) (int, any, *apiError) {
	var in patchIn
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	if in.Metadata != nil || in.Archived != nil && *in.Archived {
		return 0, nil, invalid("a pipeline has no metadata, and is archived by DELETE")
	}
	if in.Label != nil {
		if e := c.o.freeLabel(p, *in.Label); e != nil {
			return 0, nil, e
		}
		p.Label = *in.Label
	}
	if in.Order != nil {
		p.Order = *in.Order
	}
	p.UpdatedAt = f.Tick().Format(stamp)
	f.audited(c.o, "UPDATE", p.ID, p)
	return http.StatusOK, p, nil
}

func (f *account) dropPipeline(c *call, p *pipeline) (int, any, *apiError) {
	if e := f.used(c, "pipeline", p.ID); e != nil {
		return 0, nil, e
	}
	c.o.pipelines = slices.DeleteFunc(c.o.pipelines, func(q *pipeline) bool { return q == p })
	f.audited(c.o, "DELETE", p.ID, p)
	return http.StatusNoContent, nil, nil
}

func (f *account) listStages(_ *call, p *pipeline) (int, any, *apiError) {
	return http.StatusOK, map[string]any{"results": append([]*stage{}, p.Stages...)}, nil
}

func (f *account) getStage(_ *call, _ *pipeline, s *stage) (int, any, *apiError) {
	return http.StatusOK, s, nil
}

func (f *account) createStage(c *call, p *pipeline) (int, any, *apiError) {
	var in stageIn
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	s, e := f.newStage(p.Stages, in)
	if e != nil {
		return 0, nil, e
	}
	p.Stages = append(p.Stages, s)
	f.audited(c.o, "CREATE", s.ID, s)
	return http.StatusCreated, s, nil
}

func (f *account) replaceStage(c *call, p *pipeline, s *stage) (int, any, *apiError) {
	var in stageIn
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	if e := f.fillStage(p.Stages, s, in); e != nil {
		return 0, nil, e
	}
	f.audited(c.o, "UPDATE", s.ID, s)
	return http.StatusOK, s, nil
}

func (f *account) changeStage(c *call, p *pipeline, s *stage) (int, any, *apiError) {
	var in patchIn
	if e := c.decode(&in); e != nil {
		return 0, nil, e
	}
	if in.Archived != nil && *in.Archived {
		return 0, nil, invalid("a stage is archived by DELETE")
	}
	next := stageIn{s.Label, s.Order, map[string]string{}}
	for _, from := range []map[string]string{s.Metadata, in.Metadata} {
		for k, v := range from {
			next.Metadata[k] = v
		}
	}
	if in.Label != nil {
		next.Label = *in.Label
	}
	if in.Order != nil {
		next.Order = *in.Order
	}
	if e := f.fillStage(p.Stages, s, next); e != nil {
		return 0, nil, e
	}
	f.audited(c.o, "UPDATE", s.ID, s)
	return http.StatusOK, s, nil
}

func (f *account) dropStage(c *call, p *pipeline, s *stage) (int, any, *apiError) {
	if e := f.used(c, "dealstage", s.ID); e != nil {
		return 0, nil, e
	}
	p.Stages = slices.DeleteFunc(p.Stages, func(q *stage) bool { return q == s })
	f.audited(c.o, "DELETE", s.ID, s)
	return http.StatusNoContent, nil, nil
}

func (f *account) history(_ *call, p *pipeline) (int, any, *apiError) { return f.audit(p.ID) }

func (f *account) stageHistory(_ *call, _ *pipeline, s *stage) (int, any, *apiError) {
	return f.audit(s.ID)
}

// audit lists what was done to a pipeline or a stage, newest first.
func (f *account) audit(id string) (int, any, *apiError) {
	out := []audit{}
	for _, a := range slices.Backward(f.audits) {
		if a.ID == id {
			out = append(out, a)
		}
	}
	return http.StatusOK, map[string]any{"results": out}, nil
}
