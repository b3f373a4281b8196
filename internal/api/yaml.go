package api

import (
	"bytes"
	"context"
	"mime"
	"net/http"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
)

const yamlMedia = "application/yaml" // RFC 9512

func isYAML(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == yamlMedia || media == "application/x-yaml" || media == "text/yaml" ||
		media == "text/x-yaml")
}

type exportOutput struct {
	ContentType string `header:"Content-Type"`
	ETag        string `header:"ETag"`
	Body        []byte
}

func (s *server) exportConnection(ctx context.Context, in *connectionPath) (*exportOutput, error) {
	c, _, err := s.connection(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	b, err := jsonToYAML(encodeDocument(c), serverOwned...)
	if err != nil {
		return nil, err
	}
	return &exportOutput{ContentType: yamlMedia, ETag: etag(c.Version), Body: b}, nil
}

type importOutput struct {
	Status   int
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     connection
}

// importConnection creates a connection from a file. When there is one of that
// name which already is like that, it is the answer; when it differs, If-Match
// must name the version to replace, so that an old file cannot undo a newer
// change by accident.
func (s *server) importConnection(ctx context.Context, in *struct {
	IfMatch string `header:"If-Match" doc:"ETag of the connection of that name, when it is to be replaced"`
	ApplyInput
},
) (*importOutput, error) {
	c, problems := s.readFilled(ctx, bodyOf(ctx), nil)
	if c == nil || len(problems) > 0 {
		return nil, invalidDocument(problems)
	}
	same, err := s.named(ctx, c)
	if err != nil {
		return nil, err
	}
	if same == nil && in.IfMatch != "" && in.IfMatch != "*" { // the one that was to be replaced is gone
		return nil, problem(http.StatusPreconditionFailed, CodeStaleVersion, "")
	}
	if same == nil {
		out, err := s.create(ctx, c, nil)
		if err != nil {
			return nil, err
		}
		return &importOutput{http.StatusCreated, out.ETag, out.Location, out.Body}, nil
	}
	if bytes.Equal(exported(same), exported(c)) && in.Apply != applyAll {
		out, err := s.shown(ctx, same)
		if err != nil {
			return nil, err
		}
		return &importOutput{http.StatusOK, out.ETag, "", out.Body}, nil
	}
	change := &ChangeInput{ID: same.ID, IfMatch: in.IfMatch}
	out, err := s.change(ctx, change, applying{word: in.Apply}, func(*crm.Connection) ([]byte, error) {
		return bodyOf(ctx), nil
	})
	if err != nil {
		return nil, err
	}
	return &importOutput{http.StatusOK, out.ETag, "", out.Body}, nil
}

// named finds the connection that an import means: of the same name and accounts.
// A document without a name means a new one.
func (s *server) named(ctx context.Context, c *crm.Connection) (*crm.Connection, error) {
	var found *crm.Connection
	if c.Name == "" {
		return found, nil
	}
	err := s.eachConnection(ctx, access.From(ctx).Workspace, func(other *crm.Connection) {
		if other.Name == c.Name && other.Left == c.Left && other.Right == c.Right && other.Status != crm.StatusDeleting &&
			found == nil {
			found = other
		}
	})
	return found, err
}
