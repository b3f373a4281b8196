package sqlitedb_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/sqlitequeue"
	"github.com/lockstep-crm/lockstep/internal/sqlitedb"
	"github.com/lockstep-crm/lockstep/internal/store"
	"github.com/lockstep-crm/lockstep/internal/store/sqlitestore"
)

const (
	victimFolder = "LOCKSTEP_TEST_VICTIM_FOLDER" // set for the process that is killed
	kills        = 24
	writers      = 4
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimFolder); dir != "" {
		if err := victim(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// house is a data folder with everything in it.
type house struct {
	db *sqlitedb.DB
	s  *sqlitestore.Store
	q  *sqlitequeue.Queue
}

func enter(ctx context.Context, dir string) (house, error) {
	db, err := sqlitedb.Open(ctx, dir)
	if err != nil {
		return house{}, err
	}
	s, err := sqlitestore.Open(ctx, db, time.Now)
	if err != nil {
		return house{}, err
	}
	q, err := sqlitequeue.Open(ctx, db, time.Now, sqlitequeue.Options{})
	return house{db, s, q}, err
}

func name(writer int) string { return fmt.Sprintf("w%d", writer) }

// victim writes until it is killed: each writer sends a message, then stores a
// pair of items and counts it in one transaction, then says so.
func victim(dir string) error {
	ctx := context.Background()
	h, err := enter(ctx, dir)
	if err != nil {
		return err
	}
	errs := make(chan error)
	var print sync.Mutex
	for w := range writers {
		total, err := h.get(ctx, "total", name(w))
		if err != nil {
			return err
		}
		go func() {
			for i := int(total.Counters["n"]); ; i++ {
				if err := h.write(ctx, w, i); err != nil {
					errs <- err
					return
				}
				print.Lock()
				fmt.Println(w, i)
				print.Unlock()
			}
		}()
	}
	return <-errs
}

func key(partition, sort string) store.Key {
	return store.Key{Table: store.Links, Workspace: crm.WorkspaceID("ws"), Partition: partition, Sort: sort}
}

func (h house) get(ctx context.Context, partition, sort string) (store.Item, error) {
	items, err := h.s.BatchGet(ctx, []store.Key{key(partition, sort)})
	if err != nil {
		return store.Item{}, err
	}
	return items[0], nil
}

func (h house) write(ctx context.Context, w, i int) error {
	sort := fmt.Sprintf("%08d", i)
	m := queue.Message{Group: name(w), Dedup: sort, Body: []byte(sort)}
	if errs := h.q.Send(ctx, []queue.Message{m}); errs != nil {
		return errs[0]
	}
	data := []byte(strings.Repeat(sort, 1+i%300)) // some need pages of their own
	return h.s.Transact(ctx, []store.Write{
		{Item: store.Item{Key: key("left-"+name(w), sort), Data: data, Index: "i" + name(w)}, If: store.IfAbsent},
		{Item: store.Item{Key: key("right-"+name(w), sort), Data: data}, If: store.IfAbsent},
		{Op: store.Add, Item: store.Item{Key: key("total", name(w)), Counters: map[string]int64{"n": 1}}},
	})
}

// TestKilledAtAnyInstantLosesNothing kills a writing process again and again:
// what it said was stored is there, and nothing is there by half.
func TestKilledAtAnyInstantLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	said := make([]int, writers) // how many pairs each writer said were stored
	got := make([]int, writers)  // how many of its messages came
	for range kills {
		runVictim(t, dir, time.Duration(rnd.Int64N(int64(60*time.Millisecond))), said)
		inspect(t, dir, said, got)
		if t.Failed() {
			return
		}
	}
	total := 0
	for _, n := range said {
		total += n
	}
	t.Logf("%d kills, %d pairs and messages said to be stored, all there", kills, total)
	if total < kills {
		t.Errorf("only %d pairs were written: the kills came too early to show anything", total)
	}
}

// runVictim lets a process write and kills it some time after its first word.
func runVictim(t *testing.T, dir string, after time.Duration, said []int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), victimFolder+"="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for first := true; lines.Scan(); first = false {
		var w, i int
		if n, _ := fmt.Sscan(lines.Text(), &w, &i); n == 2 { // the last line may be cut
			said[w] = max(said[w], i+1)
		}
		if first {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); err == nil || stderr.Len() > 0 {
		t.Fatalf("the process ended by itself: %v %s", err, stderr.String())
	}
}

// inspect opens the folder anew and compares it with what was said.
func inspect(t *testing.T, dir string, said, got []int) {
	t.Helper()
	ctx := t.Context()
	h, err := enter(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.db.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := h.db.Read(ctx, func(c *sqlitedb.Conn) error {
		var verdict string
		_, err := c.Row("PRAGMA integrity_check", nil, &verdict)
		if verdict != "ok" {
			t.Errorf("integrity: %s", verdict)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	for w := range writers {
		total, err := h.get(ctx, "total", name(w))
		if err != nil {
			t.Fatal(err)
		}
		n := int(total.Counters["n"])
		if n < said[w] || n > said[w]+1 {
			t.Errorf("writer %d: %d pairs counted, %d were said to be stored", w, n, said[w])
		}
		said[w] = n // it may have been stored without a word
		for _, q := range []store.Query{
			{Partition: "left-" + name(w)}, {Partition: "right-" + name(w)}, {Partition: "i" + name(w), OnIndex: true},
		} {
			if got := h.complete(t, q); got != n {
				t.Errorf("writer %d: %d items of %s, %d were counted", w, got, q.Partition, n)
			}
		}
	}
	h.messages(t, said, got)
}

// complete counts the items of a query and wants none missing or torn.
func (h house) complete(t *testing.T, q store.Query) int {
	t.Helper()
	q.Table, q.Workspace, q.Limit = store.Links, "ws", store.MaxLimit
	n := 0
	for {
		p, err := h.s.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range p.Items {
			sort := fmt.Sprintf("%08d", n)
			if it.Sort != sort || it.Version != 1 || string(it.Data) != strings.Repeat(sort, 1+n%300) {
				t.Errorf("item %d of %s is %s at version %d with %d bytes", n, q.Partition, it.Sort, it.Version, len(it.Data))
			}
			n++
		}
		if q.Cursor = p.Next; p.Next == "" {
			return n
		}
	}
}

// messages wants every message once, in order and without a gap, up to the
// last pair, or one further: the message goes before its pair. got counts what
// came in earlier looks; everything received is deleted.
func (h house) messages(t *testing.T, said, got []int) {
	t.Helper()
	ctx := t.Context()
	if _, err := h.q.Release(ctx); err != nil {
		t.Fatal(err)
	}
	for {
		ds, err := h.q.Receive(ctx, queue.MaxBatch, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if len(ds) == 0 {
			break
		}
		var rs []string
		for _, d := range ds {
			var w int
			if _, err := fmt.Sscanf(d.Group, "w%d", &w); err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("%08d", got[w]); string(d.Body) != want {
				t.Errorf("writer %d: message %s, want %s", w, d.Body, want)
			}
			got[w]++
			rs = append(rs, d.Receipt)
		}
		if errs := h.q.Delete(ctx, rs); errs != nil {
			t.Fatal(errs)
		}
	}
	for w, n := range said {
		if got[w] < n || got[w] > n+1 {
			t.Errorf("writer %d: %d messages, %d pairs were stored", w, got[w], n)
		}
	}
}
