package sim_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/roles"
	"github.com/lockstep-crm/lockstep/internal/proof/sim"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/dynamostore"
)

// TestX16_TheEngineStaysWithinItsRoles runs seeds of every workload and holds
// each call to the store, on whatever path, against the rights of the function
// that would make it.
func TestX16_TheEngineStaysWithinItsRoles(t *testing.T) {
	t.Parallel()
	table, err := roles.Read("../../../infra/stack/testdata/rights.txt")
	if err != nil {
		t.Fatal(err)
	}
	// all other tasks are an admin's
	functions := map[string]string{"hook": "webhook", "pull": "pull", "tick": "pull", "work": "sync"}
	var mu sync.Mutex
	used, refused := map[string]bool{}, map[string]bool{}
	sim.Run(sim.Options{Seeds: 20, Each: 1, Touched: func(task, method string, w store.Write) {
		function := functions[task]
		if function == "" {
			function = "api"
		}
		key := string(w.Item.Workspace) + "|" + w.Item.Partition
		rights := []string{method + "Item"}
		switch method {
		case "Query":
			rights = []string{"Query"}
		case "Write", "Transact", "BatchWrite":
			rights = dynamostore.Rights(&w, method == "BatchWrite")
		}
		mu.Lock()
		defer mu.Unlock()
		for _, right := range rights {
			name := fmt.Sprintf("%s %s %s", function, right, table.Kind(string(w.Item.Table), key))
			if used[name] = true; !table.Allows(function, right, string(w.Item.Table), key) {
				refused[name+" ("+task+" "+key+")"] = true
			}
		}
	}})
	for _, r := range slices.Sorted(maps.Keys(refused)) {
		t.Errorf("refused: %s", r)
	}
	if len(used) < 100 {
		t.Errorf("only %d rights were used: is the engine watched at all?", len(used))
	}
}
