package rule

import "testing"

// TestOperatorsAreWhole: a row that lacks something would answer no in silence.
func TestOperatorsAreWhole(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, o := range operators {
		word := string(o.word)
		if seen[word] || word == "" || o.means == "" {
			t.Errorf("%q stands twice or says nothing: %+v", word, o)
		}
		seen[word] = true
		if (o.test == nil) == (o.alone == nil) {
			t.Errorf("%s: test or alone, one of them", word)
		}
		if targets := o.wants != wantsNothing && o.wants != wantsDays; targets != (o.test != nil) {
			t.Errorf("%s: compares with targets: %t", word, targets)
		}
		if row(o.word).word != o.word {
			t.Errorf("%s is not found", word)
		}
	}
	if row("") != nil || row("resembles") != nil {
		t.Error("an operator that does not exist is found")
	}
}
