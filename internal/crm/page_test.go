package crm

import "testing"

// TestPageOf: where people see a record in its app, and nowhere what is not known.
func TestPageOf(t *testing.T) {
	t.Parallel()
	app := App{
		Page: "{base}/lightning/r/{object}/{id}/view",
		Objects: []Object{
			{ID: "contacts", Page: "https://app.example.com/{account}/0-1/{id}"}, {ID: "people", Page: "https://example.com/person/{id}"},
		},
	}
	for want, in := range map[string][4]string{
		"https://x.example.com/lightning/r/Thing__c/001/view":     {"https://x.example.com/", "", "Thing__c", "001"},
		"https://app.example.com/44/0-1/7":                        {"", "44", "contacts", "7"},
		"https://app.example.com/4%2F4/0-1/7%20%3F":               {"", "4/4", "contacts", "7 ?"},
		"https://example.com/person/c12":                          {"", "", "people", "people/c12"},
		"https://x.example.com/lightning/r/a%2Fb/%7Bbase%7D/view": {"https://x.example.com", "", "a/b", "{base}"},
	} {
		if got := app.PageOf(in[0], in[1], in[2], in[3]); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	for _, in := range [][4]string{
		{"", "", "Thing__c", "001"},
		{"https://x.example.com", "", "Thing__c", ""},
		{"", "", "contacts", "7"},
		{"", "44", "contacts", ""},
		{"", "", "people", "people/"},
		{"https://x.example.com", "", "", "001"},
	} {
		if got := app.PageOf(in[0], in[1], in[2], in[3]); got != "" {
			t.Errorf("%q: %s, want nothing", in, got)
		}
	}
	if got := (App{}).PageOf("https://x.example.com", "1", "contacts", "7"); got != "" {
		t.Errorf("an app without pages: %s", got)
	}
}
