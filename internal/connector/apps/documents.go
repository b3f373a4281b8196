package apps

import (
	"embed"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/declared"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// embedded are the apps that are documents, one file each: <app>.yaml.
//
//go:embed documents
var embedded embed.FS

// documents reads those of the program once: they do not change.
var documents = sync.OnceValues(func() (map[crm.AppID]connector.Driver, error) {
	dir, err := fs.Sub(embedded, "documents")
	if err != nil {
		return nil, err
	}
	return read(dir)
})

// With returns the apps by ID, and those of the documents in a folder besides: a document
// takes the place of the program's own one of the same app, so that an operator can correct
// it without a release. Files of other names than *.yaml are left alone.
//
// Errors: Invalid with code "invalid_config", naming every problem of every document, and
// for a document that would take the place of a connector in Go.
func With(folder fs.FS) (map[crm.AppID]connector.Driver, error) {
	own, err := read(folder)
	if err != nil {
		return nil, err
	}
	out, program := Drivers(), written()
	for id, d := range own {
		if _, ok := program[id]; ok {
			return nil, fault.New("read app documents", fault.Invalid, connector.CodeConfig, string(id)+".yaml: "+taken(id))
		}
		out[id] = d
	}
	return out, nil
}

// taken refuses the ID of an app that no document describes.
func taken(id crm.AppID) string {
	return string(id) + " is a connector of the program, and no document can take its place; give the app another id"
}

// Reader reads documents that are no files of the program.
type Reader struct{}

// May reports whether an app can be described by a document: a connector in Go cannot.
func (Reader) May(app crm.AppID) bool {
	_, ok := written()[app]
	return !ok
}

// Schema is the grammar of documents as a JSON Schema.
func (Reader) Schema() ([]byte, error) { return declared.JSONSchema() }

// Read makes the driver of one document, which has to be of the given app, or answers all
// that is wrong with it: "12: objects.people.id: …", by line.
func (Reader) Read(app crm.AppID, text []byte) (connector.Driver, []string) {
	d, found := declared.Check(text)
	var problems []string
	for _, p := range found {
		problems = append(problems, p.String())
	}
	if problems != nil {
		return connector.Driver{}, problems
	}
	if d.App.ID != string(app) {
		return connector.Driver{}, []string{
			"1: app.id: the document is of the app " + d.App.ID + ", and not of " + string(app),
		}
	}
	if !(Reader{}).May(app) {
		return connector.Driver{}, []string{"1: app.id: " + taken(app)}
	}
	return d.Driver(), nil
}

// read reads the documents of a folder.
func read(folder fs.FS) (map[crm.AppID]connector.Driver, error) {
	names, err := fs.Glob(folder, "*.yaml")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	out, problems := map[crm.AppID]connector.Driver{}, []string(nil)
	for _, name := range names {
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			problems = append(problems, name+": it cannot be read: "+err.Error())
			continue
		}
		d, err := declared.Parse(name, text)
		var f *fault.Error
		switch {
		case errors.As(err, &f):
			problems = append(problems, f.Message)
		case err != nil:
			problems = append(problems, name+": "+err.Error())
		case d.App.ID+".yaml" != path.Base(name):
			problems = append(problems, name+": the file of the app "+d.App.ID+" has to be called "+d.App.ID+".yaml")
		default:
			out[crm.AppID(d.App.ID)] = d.Driver()
		}
	}
	if problems != nil {
		return nil, fault.New("read app documents", fault.Invalid, connector.CodeConfig, strings.Join(problems, "\n"))
	}
	return out, nil
}
