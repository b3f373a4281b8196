package apps_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/apps"
)

// TestNeeds: whoever agrees to all that is asked for lacks nothing for any object, and
// writing takes no less than reading. Apps that tell what they granted say what they need.
func TestNeeds(t *testing.T) {
	t.Parallel()
	telling := []string{}
	for id, d := range apps.Drivers() {
		if d.Needs == nil {
			continue
		}
		telling = append(telling, string(id))
		page, err := url.Parse(d.OAuth.AuthorizeURL("", connector.Client{ID: "c"}, "state", "challenge"))
		if err != nil {
			t.Fatal(err)
		}
		asked := strings.Fields(page.Query().Get("scope"))
		for _, o := range d.App.Objects {
			for _, write := range []bool{false, true} {
				all := d.Needs(o.ID, write)
				if len(all) == 0 {
					t.Errorf("%s: nothing is needed for %s", id, o.ID)
				}
				for _, one := range all {
					if len(asked) > 0 && !slices.ContainsFunc(one, func(s string) bool { return slices.Contains(asked, s) }) {
						t.Errorf("%s: of %v, which %s needs, none is asked for", id, one, o.ID)
					}
				}
			}
		}
		if id == "hubspot" && len(d.Needs("tickets", true)) > 0 {
			t.Error("hubspot: the scopes of an object that it does not name are made up")
		}
	}
	slices.Sort(telling)
	if want := []string{"googlecontacts", "hubspot", "pipedrive", "salesforce"}; !slices.Equal(telling, want) {
		t.Errorf("%v say what they need, want %v", telling, want)
	}
}
