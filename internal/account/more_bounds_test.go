package account

import (
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestALeaseThatIsSeenForItsLengthEnds: whatever its owner's clock says of its end.
func TestALeaseThatIsSeenForItsLengthEnds(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a := &attempt{tokens: &tokens{}, owner: "us", c: storedCredential{Owner: "them", Until: began.Add(time.Hour)}}
	for after, want := range map[time.Duration]bool{0: true, leaseFor - 1: true, leaseFor: false, leaseFor + 1: false} {
		a.seen = lease{"them", began}
		if got := a.leased(began.Add(after)); got != want {
			t.Errorf("seen for %s, it is held: %t", after, got)
		}
	}
}

// TestWhatAProcessKeepsOpenIsBounded: keys of erasures, and connectors of accounts that
// were deleted.
func TestWhatAProcessKeepsOpenIsBounded(t *testing.T) {
	t.Parallel()
	w, _ := newManual(t)
	s := w.worker()
	s.erasureKeys = map[crm.WorkspaceID][]byte{}
	for i := range maxErasureKeys {
		s.erasureKeys[crm.WorkspaceID(rune(i))] = nil
	}
	if _, err := s.ErasureKey(t.Context(), ws); err != nil {
		t.Fatal(err)
	}
	if len(s.erasureKeys) != 1 {
		t.Errorf("%d keys are open, want the one that was asked for", len(s.erasureKeys))
	}
	a, err := w.described()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Open(t.Context(), ws, a.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), ws, a.ID, 0); err != nil {
		t.Fatal(err)
	}
	if len(s.opened) != 0 {
		t.Errorf("%d connectors are open of an account that is gone", len(s.opened))
	}
}
