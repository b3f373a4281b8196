package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// appDocument is a document without its text.
type appDocument struct {
	App       crm.AppID `json:"app"`
	Name      string    `json:"name"`
	UpdatedAt time.Time `json:"updated_at"`
	Version   int64     `json:"version" doc:"Grows with every change; the ETag"`
}

func documentOf(d account.Document) appDocument {
	return appDocument{App: d.App, Name: d.Name, UpdatedAt: d.UpdatedAt, Version: d.Version}
}

type appDocumentOutput struct {
	Status   int
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     appDocumentText
}

// appDocumentText is a document with its text.
type appDocumentText struct {
	App       crm.AppID `json:"app"`
	Name      string    `json:"name"`
	UpdatedAt time.Time `json:"updated_at"`
	Version   int64     `json:"version" doc:"Grows with every change; the ETag"`
	Document  string    `json:"document" doc:"YAML, as it was sent"`
}

func documentAnswer(d account.Document) *appDocumentOutput {
	return &appDocumentOutput{Status: http.StatusOK, ETag: etag(d.Version), Body: appDocumentText{
		App: d.App, Name: d.Name, UpdatedAt: d.UpdatedAt, Version: d.Version, Document: d.Text,
	}}
}

// AppDocumentPath names the document of an app.
type AppDocumentPath struct {
	ID crm.AppID `path:"id" maxLength:"100" doc:"app.id of the document"`
}

// AppDocumentInput is a document as it is sent.
type AppDocumentInput struct {
	Body struct {
		Document string `json:"document" minLength:"1" maxLength:"262144" doc:"YAML, as docs/app-documents.md describes it"`
	} `nameHint:"AppDocumentInput"`
}

func (s *server) listAppDocuments(ctx context.Context, in *WholeInput) (*listOutput[appDocument], error) {
	all, err := s.Accounts.Documents(ctx, access.From(ctx).Workspace)
	if err != nil {
		return nil, err
	}
	out := make([]appDocument, len(all))
	for i := range all {
		out[i] = documentOf(all[i])
	}
	return paged(out, *in)
}

func (s *server) getAppDocument(ctx context.Context, in *AppDocumentPath) (*appDocumentOutput, error) {
	d, err := s.Accounts.Document(ctx, access.From(ctx).Workspace, in.ID)
	if err != nil {
		return nil, err
	}
	return documentAnswer(d), nil
}

// putAppDocument stores a document. One that is there is replaced only by who names its
// version.
func (s *server) putAppDocument(ctx context.Context, in *struct {
	AppDocumentPath
	IfMatch string `header:"If-Match" doc:"ETag of the version that is replaced; required where there is one"`
	AppDocumentInput
},
) (*appDocumentOutput, error) {
	who := access.From(ctx)
	driver, problems := s.Accounts.CheckDocument(in.ID, in.Body.Document)
	if problems != nil {
		return nil, problem(http.StatusBadRequest, account.CodeBadDocument, "", documentProblems(problems)...)
	}
	old, err := s.Accounts.Document(ctx, who.Workspace, in.ID)
	switch {
	case err == nil && old.Text == in.Body.Document: // perhaps an answer was lost
		return documentAnswer(old), nil
	case err == nil:
		if p := checkMatch(in.IfMatch, old.Version); p != nil {
			return nil, p
		}
	case !fault.Is(err, fault.NotFound):
		return nil, err
	case in.IfMatch != "" && in.IfMatch != "*": // the one that was to be replaced is gone
		return nil, problem(http.StatusPreconditionFailed, CodeStaleVersion, "")
	}
	after, err := json.Marshal(map[string]any{"name": driver.App.Name, "hosts": driver.App.Hosts})
	if err != nil {
		return nil, err
	}
	var d account.Document
	err = s.audit.Do(ctx, who, requestID(ctx), "app_document.put", string(in.ID), nil, after, func() error {
		var err error
		d, err = s.Accounts.PutDocument(ctx, who.Workspace, in.ID, old.Version, in.Body.Document)
		return err
	})
	if err != nil {
		return nil, documentRefusal(err)
	}
	s.forgetFields(ctx, who.Workspace, in.ID)
	out := documentAnswer(d)
	if old.Version == 0 {
		out.Status, out.Location = http.StatusCreated, "/v1/app-documents/"+string(in.ID)
	}
	return out, nil
}

// documentRefusal answers a lost race as what it is.
func documentRefusal(err error) error {
	if fault.CodeOf(err) == CodeStaleVersion {
		return problem(http.StatusPreconditionFailed, CodeStaleVersion, "")
	}
	return err
}

// forgetFields lets the fields of an app's accounts be read anew. They are remembered for
// a while only: what cannot be looked up just now is known then.
func (s *server) forgetFields(ctx context.Context, ws crm.WorkspaceID, app crm.AppID) {
	for cursor := ""; ; {
		page, next, err := s.Accounts.List(ctx, ws, 0, cursor)
		if err != nil {
			s.Logger.WarnContext(ctx, "fields not forgotten", "request_id", requestID(ctx), "app", string(app), "error",
				err.Error())
			return
		}
		for i := range page {
			if page[i].App == app {
				s.schemas.forget(ws, page[i].ID, "")
			}
		}
		if next == "" {
			return
		}
		cursor = next
	}
}

func (s *server) deleteAppDocument(ctx context.Context, in *struct {
	AppDocumentPath
	IfMatch string `header:"If-Match" doc:"ETag of the version that goes; required"`
},
) (*struct{}, error) {
	who := access.From(ctx)
	old, err := s.Accounts.Document(ctx, who.Workspace, in.ID)
	if err != nil {
		return nil, err
	}
	if p := checkMatch(in.IfMatch, old.Version); p != nil {
		return nil, p
	}
	err = s.audit.Do(ctx, who, requestID(ctx), "app_document.delete", string(in.ID), nil, nil, func() error {
		return s.Accounts.DeleteDocument(ctx, who.Workspace, in.ID, old.Version)
	})
	if err != nil {
		return nil, documentRefusal(err)
	}
	s.forgetFields(ctx, who.Workspace, in.ID)
	return nil, nil
}

// checkedDocument is what a check of a document found.
type checkedDocument struct {
	Valid    bool          `json:"valid"`
	Problems []ProblemItem `json:"problems" nullable:"false"`
	App      *App          `json:"app,omitempty" doc:"The app that a valid document describes"`
}

type checkedDocumentOutput struct {
	Body checkedDocument
}

func (s *server) validateAppDocument(_ context.Context, in *struct {
	App crm.AppID `query:"app" minLength:"1" maxLength:"100" doc:"The app that it is to be of" required:"true"`
	AppDocumentInput
},
) (*checkedDocumentOutput, error) {
	driver, problems := s.Accounts.CheckDocument(in.App, in.Body.Document)
	out := checkedDocument{Valid: problems == nil, Problems: documentProblems(problems)}
	if out.Valid {
		app := shown(driver.App)
		out.App = &app
	}
	return &checkedDocumentOutput{Body: out}, nil
}

// documentProblems points at the text, in which each problem names its line.
func documentProblems(lines []string) []ProblemItem {
	out := []ProblemItem{}
	for _, line := range lines[:min(len(lines), maxItems)] {
		out = append(out, ProblemItem{
			Pointer: "/document", Detail: "line " + strings.Replace(line, ":", ",", 1), Code: account.CodeBadDocument,
		})
	}
	return out
}

type schemaOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (s *server) getAppDocumentSchema(context.Context, *struct{}) (*schemaOutput, error) {
	b, err := s.Accounts.DocumentSchema()
	if err != nil {
		return nil, err
	}
	return &schemaOutput{ContentType: "application/schema+json", Body: b}, nil
}
