package sqlitestore

import "github.com/lockstep-crm/lockstep/internal/store"

// Queries names the statements of a table that must find their way by an index.
func Queries(t store.Table) map[string]string {
	s := sqlOf[t]
	return map[string]string{
		"head": s.head, "full": s.full, "purge": s.purge, "update": s.update, "remove": s.remove,
		"query":              s.query[direction{false, false}],
		"query, reverse":     s.query[direction{false, true}],
		"on index":           s.query[direction{true, false}],
		"on index, reversed": s.query[direction{true, true}],
	}
}
