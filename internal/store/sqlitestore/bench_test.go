package sqlitestore_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/sqlitestore"
)

var kilobyte = []byte(strings.Repeat("0123456789abcdef", 64))

func benchItem(i int) store.Item {
	return store.Item{
		Key: store.Key{
			Table: store.Links, Workspace: "ws_1", Partition: fmt.Sprintf("con_1/contacts/%02d", i%16),
			Sort: fmt.Sprintf("link/%08d", i),
		},
		Data: kilobyte,
	}
}

func filled(b *testing.B, n int) *sqlitestore.Store {
	b.Helper()
	s := open(b, b.TempDir(), time.Now)
	for from := 0; from < n; from += 1000 {
		ws := make([]store.Write, min(1000, n-from))
		for i := range ws {
			ws[i].Item = benchItem(from + i)
		}
		if _, errs := s.BatchWrite(b.Context(), ws); errs != nil {
			b.Fatal(errs)
		}
	}
	return s
}

func BenchmarkGet(b *testing.B) {
	s := filled(b, 20_000)
	i := 0
	for b.Loop() {
		if _, err := s.Get(b.Context(), benchItem(i*7919%20_000).Key); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkPut(b *testing.B) {
	s := open(b, b.TempDir(), time.Now)
	i := 0
	for b.Loop() {
		if _, err := s.Write(b.Context(), store.Write{Item: benchItem(i)}); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// BenchmarkPutParallel shows what sharing a commit is worth.
func BenchmarkPutParallel(b *testing.B) {
	s := open(b, b.TempDir(), time.Now)
	var i atomic.Int64
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Write(b.Context(), store.Write{Item: benchItem(int(i.Add(1)))}); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkBatchGet100(b *testing.B) {
	s := filled(b, 20_000)
	keys := make([]store.Key, 100)
	n := 0
	for b.Loop() {
		for i := range keys {
			keys[i] = benchItem((n*100 + i) * 7919 % 20_000).Key
		}
		if _, err := s.BatchGet(b.Context(), keys); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/item")
}

func BenchmarkBatchWrite100(b *testing.B) {
	s := filled(b, 20_000)
	ws := make([]store.Write, 100)
	n := 0
	for b.Loop() {
		for i := range ws {
			ws[i].Item = benchItem((n*100 + i) * 7919 % 40_000) // half of them new
		}
		if _, errs := s.BatchWrite(b.Context(), ws); errs != nil {
			b.Fatal(errs)
		}
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/item")
}

func BenchmarkTransact10(b *testing.B) {
	s := filled(b, 1000)
	ws := make([]store.Write, 10)
	n := 0
	for b.Loop() {
		for i := range ws {
			ws[i].Item = benchItem((n*10 + i) % 1000)
		}
		if err := s.Transact(b.Context(), ws); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

func BenchmarkQuery100(b *testing.B) {
	s := filled(b, 20_000)
	for b.Loop() {
		p, err := s.Query(b.Context(), store.Query{Table: store.Links, Workspace: "ws_1", Partition: "con_1/contacts/03"})
		if err != nil || len(p.Items) != 100 {
			b.Fatal(len(p.Items), err)
		}
	}
}
