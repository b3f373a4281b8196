package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// deleteField deletes a custom field in the app, unless a connection names it: what
// works with it would be held, and nobody would have meant that. Whoever maps it in
// the very moment of the deletion finds the mapping held, as after a deletion in the
// app; saves of others are not made to wait for an app to prevent that.
//
// The app says which fields are its own. Where its answer is lost we look whether the
// field is gone, and ask once more if it is not. Should both be lost, the caller is told
// by asking again: 404 then means that it is gone.
func (s *server) deleteField(ctx context.Context, in *struct {
	ObjectPath
	Field   string `path:"field" maxLength:"200"`
	Confirm string `query:"confirm" maxLength:"200" doc:"The field's exact name. What records hold in it goes with it"`
},
) (*struct{}, error) {
	who := access.From(ctx)
	conn, app, err := s.Accounts.Open(ctx, who.Workspace, in.ID)
	if err != nil {
		return nil, err
	}
	remove := conn.Extras().DeleteField
	if remove == nil {
		return nil, problem(http.StatusUnprocessableEntity, "unsupported",
			app.Name+" does not let us delete fields: delete it in the app")
	}
	if in.Confirm != in.Field {
		return nil, problem(http.StatusBadRequest, CodeConfirmName, "", ProblemItem{
			Parameter: "query.confirm", Code: CodeConfirmName,
			Detail: "add ?confirm= with the field's exact name; what records hold in it goes with it",
		})
	}
	fields, err := s.fields(ctx, who.Workspace, in.ID, in.Object, true)
	if err != nil {
		return nil, err
	}
	named := func(f crm.Field) bool { return f.Name == in.Field }
	at := slices.IndexFunc(fields, named)
	if at < 0 {
		return nil, problem(http.StatusNotFound, CodeNotFound, "the object has no such field")
	}
	used, err := s.namesField(ctx, who.Workspace, cell{in.ID, in.Object, in.Field})
	if err != nil {
		return nil, err
	}
	if len(used) > 0 {
		return nil, problem(http.StatusConflict, CodeFieldMapped, "", used[:min(len(used), maxItems)]...)
	}
	before, err := json.Marshal(fields[at]) // what somebody needs to make it again
	if err != nil {
		return nil, err
	}
	err = s.audit.Do(ctx, who, requestID(ctx), "field.delete", string(in.ID)+"/"+in.Object+"/"+in.Field, before, nil,
		func() error {
			err := remove(ctx, in.Object, in.Field)
			if !fault.MayHaveLanded(err) {
				return err
			}
			left, lookErr := s.fields(ctx, who.Workspace, in.ID, in.Object, true)
			switch {
			case lookErr != nil:
				return err
			case !slices.ContainsFunc(left, named):
				return nil
			}
			if err = remove(ctx, in.Object, in.Field); fault.Is(err, fault.NotFound) {
				return nil // it was on its way
			}
			return err
		})
	s.schemas.forget(who.Workspace, in.ID, in.Object) // it may be gone, whatever came back
	return nil, err
}

// namesField lists where connections of a workspace name a field: in drafts too, and
// in what is switched off.
func (s *server) namesField(ctx context.Context, ws crm.WorkspaceID, field cell) (used []ProblemItem, err error) {
	err = s.eachConnection(ctx, ws, func(c *crm.Connection) {
		if c.Status == crm.StatusDeleting {
			return
		}
		all := c.Worked()
		for i := range all {
			for _, side := range crm.Sides {
				if c.Account(side) != field.account || all[i].Object(side) != field.object {
					continue
				}
				for _, place := range all[i].Places(side) {
					if place.Field == field.field {
						used = append(used, ProblemItem{
							Code: CodeFieldMapped, Detail: fmt.Sprintf("the connection %q (%s) names it at %s%s", c.Name, c.ID,
								syncPointer(c, all, i), place.Pointer),
						})
					}
				}
			}
		}
	})
	slices.SortFunc(used, func(a, b ProblemItem) int { return strings.Compare(a.Detail, b.Detail) })
	return used, err
}
