package salesforce

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// The columns that every read asks for besides the fields wanted.
const (
	colID       = "Id"
	colModified = "SystemModstamp"
	colModifier = "LastModifiedById"
	colCreated  = "CreatedDate"
	colDeleted  = "IsDeleted"
	colMaster   = "MasterRecordId"
)

// outLayout is how Salesforce writes a dateTime: atlas…/intro_valid_date_formats.htm.
const outLayout = "2006-01-02T15:04:05.000-0700"

var quoter = strings.NewReplacer(
	`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\b", `\b`, "\f", `\f`)

// quote writes a text literal: soql-sosl/sforce-api-calls-soql-select-quotedstringescapes.
func quote(s string) string { return "'" + quoter.Replace(s) + "'" }

// stamp writes a dateTime literal, which carries no quotes:
// soql-sosl/sforce-api-calls-soql-select-dateformats.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999Z") }

// columns lists the system columns of an object and the fields wanted, each once.
func columns(object string, fields ...string) []string {
	cols := []string{colID, colModified, colModifier, colCreated, colDeleted}
	if mergeable[object] {
		cols = append(cols, colMaster)
	}
	for _, f := range fields {
		same := func(c string) bool { return strings.EqualFold(c, f) }
		if !slices.ContainsFunc(cols, same) {
			cols = append(cols, f)
		}
	}
	return cols
}

// names checks everything that goes into a query unquoted.
func names(op, object string, fields ...string) error {
	if !named(object) {
		return fault.New(op, fault.NotFound, connector.CodeObject, "Salesforce has no object of this name")
	}
	for _, f := range fields {
		if !named(f) {
			return &fault.Error{
				Op: op, Kind: fault.Invalid, Code: connector.CodeField, Field: f, Message: "this is not the API name of a field",
			}
		}
	}
	return nil
}

// query is the call that runs SOQL. all also lists what is in the recycle bin.
func query(op, soql string, all bool) rest.Request {
	r := rest.Request{Op: op, Path: dataPath + "/query", Query: url.Values{"q": {soql}}}
	if all {
		r.Path = dataPath + "/queryAll"
	}
	return r
}

// more follows a nextRecordsUrl, which is a path on the instance.
func (o *org) more(ctx context.Context, op, next string) (queryPage, error) {
	r := rest.Request{Op: op, Path: next}
	if !strings.HasPrefix(next, "/services/data/") || strings.ContainsAny(next, "?#\\") || strings.Contains(next, "..") {
		return queryPage{}, rest.Malformed(r, "the address of the next page is not a path of the API")
	}
	p, _, err := o.page(ctx, r)
	return p, err
}

func (o *org) page(ctx context.Context, r rest.Request) (queryPage, time.Time, error) {
	var p queryPage
	a, err := o.client.Call(ctx, r, &p)
	if err == nil && (p.TotalSize == nil || p.Done == nil || p.Records == nil || len(p.Records) > pageSize) {
		err = rest.Malformed(r, "the query's answer lacks a part or holds too many rows")
	}
	return p, a.Now, err
}
