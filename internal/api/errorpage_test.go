package api

import (
	"strings"
	"testing"
)

func TestErrorPage(t *testing.T) {
	t.Parallel()
	page := string(errorPage([]Code{{Code: `a"b`, Meaning: "<script>", Effect: EffectRequest, Remedy: "x & y"}}))
	for _, want := range []string{`<section id="a&#34;b">`, "&lt;script&gt;.", "x &amp; y", string(EffectRequest)} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s: %s", want, page)
		}
	}
	if strings.Contains(page, "<script>") {
		t.Error("a text became a tag")
	}
	if whole := string(errorPage(Dictionary())); strings.Count(whole, "<section") != len(Dictionary()) {
		t.Error("the page does not show every code")
	}
}
