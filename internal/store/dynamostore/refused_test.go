package dynamostore_test

import (
	"testing"

	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// TestARefusedWriteIsLookedInto: DynamoDB refuses a write without saying why. What is
// stored explains it; where that cannot be read, nobody is told that the item was
// too large, or that it is not as expected.
func TestARefusedWriteIsLookedInto(t *testing.T) {
	t.Parallel()
	stored := func(v string) (int, any) {
		it := jsonKey(key("a"))
		it["v"] = map[string]string{"N": v}
		return 200, map[string]any{"Item": it}
	}
	for name, c := range map[string]struct {
		read func() (int, any)
		w    store.Write
		kind fault.Kind
		code string
	}{
		"nothing wrong with it": {
			func() (int, any) { return stored("3") }, add("a", store.Always), fault.Other, "aws_refused",
		},
		"another version": {
			func() (int, any) { return stored("4") }, put("a", store.IfVersion(3)), fault.Conflict, "condition_failed",
		},
		"it cannot be read": {
			func() (int, any) { return refusal("AccessDeniedException") }, put("a", store.IfVersion(3)), fault.Unavailable,
			"aws_denied",
		},
		"it cannot be read for a while": {
			func() (int, any) { return 500, `{"__type":"InternalServerError"}` }, add("a", store.Always), fault.Unavailable, "",
		},
		"it is damaged": {
			func() (int, any) { return stored("1.5") }, put("a", store.IfVersion(3)), fault.Other, "",
		},
	} {
		s, _ := scripted(t, 1, func(operation string, _ request) (int, any) {
			if operation == "GetItem" {
				return c.read()
			}
			return refusal("ValidationException")
		})
		_, err := s.Write(t.Context(), c.w)
		if err == nil || fault.KindOf(err) != c.kind || c.code != "" && fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v (%v, %q), want %v, %q", name, err, fault.KindOf(err), fault.CodeOf(err), c.kind, c.code)
		}
	}
}

// TestARefusedTransactionIsLookedInto: of the writes that DynamoDB refuses as a whole the
// one that would be too large, or leave a counter's range, is told.
func TestARefusedTransactionIsLookedInto(t *testing.T) {
	t.Parallel()
	for n, code := range map[string]string{"1": "aws_refused", "9223372036854775807": "counter_overflow"} {
		s, _ := scripted(t, 1, func(operation string, _ request) (int, any) {
			if operation != "GetItem" {
				return refusal("ValidationException")
			}
			it := jsonKey(key("b"))
			it["v"], it["c_n"] = map[string]string{"N": "3"}, map[string]string{"N": n}
			return 200, map[string]any{"Item": it}
		})
		err := s.Transact(t.Context(), []store.Write{
			{Op: store.Check, Item: store.Item{Key: key("c")}, If: store.IfExists},
			remove("d", store.Always),
			put("a", store.Always), sized(store.Add, "b", 0, "", store.Always),
		})
		if err == nil || fault.CodeOf(err) != code {
			t.Errorf("a counter at %s: %v, want %s", n, err, code)
		}
	}
}
