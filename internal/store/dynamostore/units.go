package dynamostore

import (
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lockstep-crm/lockstep/internal/store"
)

// Units are capacity units as DynamoDB bills them on demand. A write unit is
// 1 KB written, two in a transaction; a read unit 4 KB read strongly
// consistent, or 8 KB eventually.
type Units struct {
	Read, Write float64 // of tables and indexes together
	Index       float64 // the part of Write that indexes took
	// Refused is what writes took that a condition refused. DynamoDB bills them
	// but does not say so in its answer: this is our sum, a unit per KB of the
	// item that was met. It is not part of Write.
	Refused float64
}

func (u Units) minus(v Units) Units {
	return Units{Read: u.Read - v.Read, Write: u.Write - v.Write, Index: u.Index - v.Index, Refused: u.Refused - v.Refused}
}

func (u Units) plus(v Units) Units {
	return Units{Read: u.Read + v.Read, Write: u.Write + v.Write, Index: u.Index + v.Index, Refused: u.Refused + v.Refused}
}

// Consumed is the consumption by table.
type Consumed map[store.Table]Units

// Total sums all tables.
func (c Consumed) Total() Units {
	var sum Units
	for _, u := range c {
		sum = sum.plus(u)
	}
	return sum
}

// Since returns what was added to c after before was taken.
func (c Consumed) Since(before Consumed) Consumed {
	d := Consumed{}
	for t, u := range c {
		d[t] = u.minus(before[t])
	}
	return d
}

// unitMeter adds up what the answers say.
type unitMeter struct {
	mu sync.Mutex
	by Consumed
}

func (m *unitMeter) add(t store.Table, u Units) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.by == nil {
		m.by = Consumed{}
	}
	m.by[t] = m.by[t].plus(u)
}

func (m *unitMeter) copy() Consumed {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := Consumed{}
	for _, t := range store.Tables {
		c[t] = m.by[t]
	}
	return c
}

// refused counts a write that met old and was refused by its condition.
func (m *unitMeter) refused(t store.Table, old attributes) {
	m.add(t, Units{Refused: float64(max((size(old)+1023)/1024, 1))})
}

// size is an item's size as DynamoDB counts it, numbers at their largest.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func size(a attributes) int {
	n := 0
	for name, v := range a {
		n += len(name)
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			n += len(v.Value)
		case *types.AttributeValueMemberB:
			n += len(v.Value)
		case *types.AttributeValueMemberN:
			n += len(v.Value)/2 + 1
		}
	}
	return n
}

// read and wrote record one answer's consumption.
func (s *Store) read(c ...types.ConsumedCapacity) {
	for i := range c {
		if t, ok := s.tableOf(c[i].TableName); ok {
			s.units.add(t, Units{Read: value(c[i].CapacityUnits)})
		}
	}
}

func (s *Store) wrote(c ...types.ConsumedCapacity) {
	for i := range c {
		t, ok := s.tableOf(c[i].TableName)
		if !ok {
			continue
		}
		u := Units{Write: value(c[i].CapacityUnits)}
		for _, index := range c[i].GlobalSecondaryIndexes {
			u.Index += value(index.CapacityUnits)
		}
		s.units.add(t, u)
	}
}

func one(c *types.ConsumedCapacity) []types.ConsumedCapacity {
	if c == nil {
		return nil
	}
	return []types.ConsumedCapacity{*c}
}

func value(f *float64) float64 {
	if f == nil {
		return 0
	}
	return *f
}

func (s *Store) tableOf(name *string) (store.Table, bool) {
	if name == nil {
		return "", false
	}
	for t, n := range s.names {
		if n == *name {
			return t, true
		}
	}
	return "", false
}
