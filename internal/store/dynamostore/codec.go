package dynamostore

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lockstep-crm/lockstep/internal/store"
)

var errDamaged = errors.New("a stored item is damaged")

// freshItem has the attributes of an item that is stored for the first time.
func freshItem(w *store.Write) attributes {
	it := &w.Item
	a := keyOf(it.Key)
	a[versionAttribute] = number(1)
	setExpiry(a, it.Expires)
	if w.Op == store.Add {
		for name, n := range it.Counters {
			a[counterPrefix+name] = number(n)
		}
		return a
	}
	if len(it.Data) > 0 {
		a[dataAttribute] = blob(it.Data)
	}
	if it.Index != "" {
		a[IndexPartitionKey], a[IndexSortKey] = indexKey(it)
	}
	return a
}

func indexKey(it *store.Item) (partition, sort types.AttributeValue) {
	s := it.IndexSort
	if s == "" {
		s = it.Sort
	}
	return text(prefix(it.Workspace) + it.Index), text(s)
}

func setExpiry(a attributes, t time.Time) {
	if x := store.ExpiryTime(t); !x.IsZero() {
		a[TTLAttribute] = number(x.Unix())
	}
}

// decode makes an item of key out of its attributes; nil attributes are an
// absent item. The SDK made them for this call, so that the item owns them.
func decode(key store.Key, a attributes) (store.Item, error) {
	it := store.Item{Key: key}
	var err error
	for name, v := range a {
		switch name {
		case versionAttribute:
			it.Version, err = integer(v)
		case dataAttribute:
			b, ok := v.(*types.AttributeValueMemberB)
			if !ok {
				return it, errDamaged
			}
			it.Data = b.Value
		case IndexPartitionKey:
			it.Index = strings.TrimPrefix(textOf(v), prefix(key.Workspace))
		case IndexSortKey:
			it.IndexSort = textOf(v)
		case TTLAttribute:
			var sec int64
			sec, err = integer(v)
			it.Expires = time.Unix(sec, 0).UTC()
		default:
			err = decodeCounter(&it, name, v)
		}
		if err != nil {
			return it, err
		}
	}
	if a != nil && it.Version < 1 {
		return it, errDamaged
	}
	return it, nil
}

func decodeCounter(it *store.Item, name string, v types.AttributeValue) error {
	name, ok := strings.CutPrefix(name, counterPrefix)
	if !ok {
		return nil // a key or the token
	}
	n, err := integer(v)
	if it.Counters == nil {
		it.Counters = map[string]int64{}
	}
	it.Counters[name] = n
	return err
}

// live decodes an item as a reader sees it: with version zero when it is
// absent or expired.
func live(key store.Key, a attributes, now time.Time) (store.Item, error) {
	it, err := decode(key, a)
	if err != nil || it.Version == 0 || store.Expired(&it, now) {
		return store.Item{Key: key}, err
	}
	return it, nil
}

func integer(v types.AttributeValue) (int64, error) {
	n, ok := v.(*types.AttributeValueMemberN)
	if !ok {
		return 0, errDamaged
	}
	i, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil {
		return 0, errDamaged
	}
	return i, nil
}

func textOf(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}
