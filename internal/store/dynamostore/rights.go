package dynamostore

import "github.com/lockstep-crm/lockstep/internal/store"

// The rights of IAM that requests for items take, without their service. A
// transaction takes those of its parts.
const (
	RightGet         = "GetItem"
	RightBatchGet    = "BatchGetItem"
	RightQuery       = "Query"
	RightPut         = "PutItem"
	RightUpdate      = "UpdateItem"
	RightDelete      = "DeleteItem"
	RightBatchDelete = "BatchWriteItem" // only deletes are batched; the right would let items be put, too
	RightCheck       = "ConditionCheckItem"
)

// Rights are the rights that a write may take, by what it is and not by what it
// meets. batched says that it is part of a BatchWrite.
func Rights(w *store.Write, batched bool) []string {
	switch {
	case w.Op == store.Check:
		return []string{RightCheck}
	case w.Op == store.Delete && batched && w.If == store.Always:
		return []string{RightBatchDelete}
	case w.Op == store.Delete:
		return []string{RightDelete}
	case w.If.Absent:
		return []string{RightPut}
	case w.If == store.Always && (w.Op == store.Put || !w.Item.Expires.IsZero()):
		return []string{RightUpdate, RightPut} // put where it is expired, or absent and to expire
	}
	return []string{RightUpdate}
}
