package engine

import (
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestFateOf: what recovery does about an entry follows from what it found alone.
func TestFateOf(t *testing.T) {
	t.Parallel()
	const lag = time.Minute
	update := &intentEntry{Side: crm.Right, Left: "L", Right: "R"}
	keyed := &intentEntry{Side: crm.Right, Create: true, Left: "L", Claims: []string{"bob@example.com"}, Lag: lag}
	keyless := &intentEntry{Side: crm.Right, Create: true, Left: "L", Lag: lag}
	made := &crm.Record{ID: "R"}
	linked := &openPair{unit: &unit{link: &link{Left: "L", Right: "R"}}}
	apart := &openPair{unit: &unit{link: &link{Left: "L"}}}
	for name, c := range map[string]struct {
		entry *intentEntry
		found findings
		want  landing
	}{
		"an update of a pair":                    {update, findings{pair: linked}, pairStands},
		"an update of what is no pair any more":  {update, findings{pair: apart}, pairEnded},
		"an update of records nobody knows":      {update, findings{pair: &openPair{unit: &unit{}}}, pairEnded},
		"made, and its alias says so":            {keyed, findings{born: made}, createLanded},
		"made, though its key's field is gone":   {keyed, findings{born: made, blind: true}, createLanded},
		"a field of its key is gone":             {keyed, findings{blind: true, stood: lag}, createBlind},
		"not in the index yet":                   {keyed, findings{stood: lag - 1}, createOpen},
		"the index has had its time":             {keyed, findings{stood: lag}, createUnlooked},
		"without a key nobody else waits for it": {keyless, findings{}, createUnlooked},
		"joined meanwhile":                       {keyed, findings{stood: lag, looked: true, linked: true}, createLinked},
		"joined meanwhile, and found": {
			keyed, findings{stood: lag, looked: true, linked: true, found: made}, createLinked,
		},
		"found": {keyed, findings{stood: lag, looked: true, found: made}, createLanded},
		"found, though a field is gone": {
			keyed,
			findings{stood: lag, looked: true, found: made, lacking: true},
			createLanded,
		},
		"not found, and a field is gone":           {keyed, findings{stood: lag, looked: true, lacking: true}, createBlind},
		"not found":                                {keyed, findings{stood: lag, looked: true}, createLost},
		"without a key, found at once":             {keyless, findings{looked: true, found: made}, createLanded},
		"without a key, it may be listed later":    {keyless, findings{stood: lag - 1, looked: true}, createOpen},
		"without a key, it would be listed by now": {keyless, findings{stood: lag, looked: true}, createLost},
	} {
		if got := fateOf(c.entry, &c.found); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
