package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// hostile are bodies that are small to send and dear to read, each made as long
// as asked for. They go to every route that takes a body of their kind.
var hostile = map[string]func(n int) string{
	// YAML
	"yaml open lists":           repeated("["),
	"yaml open lists, spaced":   repeated("[ "),
	"yaml open lists on lines":  repeated("[\n"),
	"yaml lists one by one":     repeated("[]"),
	"yaml 600 lists":            within(strings.Repeat("[", 600), "a,", ""),
	"yaml lists of 30 levels":   within("[", strings.Repeat("[", 30)+strings.Repeat("]", 30)+",", "]"),
	"yaml open objects":         repeated("{a: "),
	"yaml objects one by one":   repeated("{}"),
	"yaml crossed brackets":     repeated("[}"),
	"yaml crossed three":        repeated("[{]}"),
	"yaml flow list":            within("[", "0,", "]"),
	"yaml flow list, spaced":    within("[", " ,", "]"),
	"yaml flow keys":            within("{", "a,", "}"),
	"yaml flow pairs":           within("{", "a: 1, ", "}"),
	"yaml flow adjacent":        within("{", `"a":1,`, "}"),
	"yaml flow single pairs":    within("[", "a: b,", "]"),
	"yaml commas":               repeated(","),
	"yaml items":                repeated("- a\n"),
	"yaml empty items":          repeated("-\n"),
	"yaml maps in a list":       repeated("- a: 1\n  b: 2\n"),
	"yaml dashes":               repeated("- "),
	"yaml same key":             repeated("a: 1\n"),
	"yaml keys":                 counted("k%d: 1\n"),
	"yaml empty keys":           counted("k%d:\n"),
	"yaml explicit keys":        repeated("? a\n"),
	"yaml question marks":       repeated("? "),
	"yaml colons":               repeated(":"),
	"yaml colons, spaced":       repeated(": "),
	"yaml anchors":              repeated("- &a a\n- *a\n"),
	"yaml billion laughs":       laughs,
	"yaml merge keys":           repeated("<<: *a\n"),
	"yaml tags":                 repeated("!!a "),
	"yaml long tag":             within("!", "a", " b"),
	"yaml double quotes":        repeated(`"`),
	"yaml single quotes":        repeated("'"),
	"yaml open text":            within(`a: "`, "x\n", ""),
	"yaml folded lines":         within("a: >\n", "  x\n", ""),
	"yaml literals":             repeated("a: |\n  x\n"),
	"yaml plain over lines":     within("a: ", "x\n ", ""),
	"yaml long plain":           within("a: ", "x", ""),
	"yaml long key":             within("", "x", ": 1"),
	"yaml escapes":              within(`a: "`, `\u0041`, `"`),
	"yaml comments":             repeated("#\n"),
	"yaml comment":              repeated("#"),
	"yaml comments after items": repeated("- a # x\n"),
	"yaml blanks":               repeated(" "),
	"yaml tabs":                 repeated("\t"),
	"yaml line ends":            repeated("\n"),
	"yaml carriage returns":     repeated("\r"),
	"yaml documents":            repeated("---\n"),
	"yaml document ends":        repeated("...\n"),
	"yaml directives":           repeated("%YAML 1.2\n"),
	"yaml zeros":                repeated("\x00"),
	"yaml digits":               within("a: ", "1", ""),
	"yaml exponent":             within("a: 1e", "9", ""),
	"yaml hexadecimal":          within("a: 0x", "f", ""),
	"yaml stairs":               stairs("a:\n"),
	"yaml stairs of dashes":     stairs("-\n"),
	"yaml no-break spaces":      repeated("\u00a0"),
	"yaml line separators":      repeated("\u2028"),
	"yaml byte order marks":     repeated("\ufeff"),
	// JSON
	"json open lists":         repeated("["),
	"json open objects":       repeated(`{"a":`),
	"json list of numbers":    within(`{"syncs":[`, "0,", "0]}"),
	"json list of lists":      within(`{"syncs":[`, "[],", "[]]}"),
	"json list of objects":    within(`{"syncs":[`, "{},", "{}]}"),
	"json list of texts":      within(`{"syncs":[`, `"",`, `""]}`),
	"json 30 levels":          within(`{"syncs":[`, strings.Repeat("[", 28)+strings.Repeat("]", 28)+",", "0]}"),
	"json long key":           within(`{"`, "x", `":1}`),
	"json long key, problems": within(`{"syncs":[{"mappings":[{"`+strings.Repeat("k", 300_000)+`":1`, `,"a":1`, "}]}]}"),
	"json unknown keys":       wrapped(`{"name":"a"`, `,"k%d":1`, "}"),
	"json same key":           within(`{"name":"a"`, `,"name":"a"`, "}"),
	"json long text":          within(`{"name":"`, "x", `"}`),
	"json escapes":            within(`{"name":"`, `\u0041`, `"}`),
	"json pairs of escapes":   within(`{"name":"`, `\ud83d\ude00`, `"}`),
	"json long number":        within(`{"name":`, "1", "}"),
	"json exponent":           within(`{"name":1e`, "9", "}"),
	"json blanks":             within(`{"name":`, " ", `"a"}`),
	"json behind":             within(`{"name":"a"}`, " {}", ""),
	"json mappings": wrapped(`{"name":"a","syncs":[{"id":"c","mappings":[{"id":"x"}`,
		`,{"id":"m%d","left":["a"],"right":["b"]}`, "]}]}"),
	"json same mapping": within(`{"name":"a","syncs":[{"id":"c","mappings":[{"id":"x"}`,
		`,{"id":"x","left":["a"],"right":["b"]}`, "]}]}"),
	"json fields of one": wrapped(`{"name":"a","syncs":[{"id":"c","mappings":[{"id":"x","left":["a"`, `,"f%d"`,
		`],"right":["b"]}]}]}`),
	"json value map": wrapped(
		`{"name":"a","syncs":[{"id":"c","mappings":[{"id":"x","transform":{"type":"map","map":{"a":"b"`, `,"k%d":"v"`,
		"}}}]}]}"),
	"json syncs": wrapped(`{"name":"a","syncs":[{"id":"x"}`, `,{"id":"s%d"}`, "]}"),
	"json rules": wrapped(`{"name":"a","syncs":[{"id":"c","rules":[{"id":"x"}`,
		`,{"id":"r%d","filter":{"all":[]}}`, "]}]}"),
	"json filters": within(`{"name":"a","syncs":[{"id":"c","rules":[{"id":"x","filter":{"all":[{"any":[]}`,
		`,{"any":[]}`, "]}}]}]}"),
	"json pairs": within(`{"name":"a","syncs":[{"id":"c","match":[{"by":"any_key","pairs":[["a","b"]`,
		`,["a","b"]`, "]}]}]}"),
	"json steps":   within(`{"name":"a","syncs":[{"id":"c","match":[{"by":"id"}`, `,{"by":"id"}`, "]}]}"),
	"json records": wrapped(`{"records":[{"side":"left","id":"x"}`, `,{"side":"left","id":"%d"}`, "]}"),
	"json roles":   within(`{"name":"a","roles":["x"`, `,"x"`, "]}"),
	"json nulls":   within(`{"name":"a","syncs":[null`, ",null", "]}"),
	"json zeros":   repeated("\x00"),
}

func repeated(s string) func(int) string { return within("", s, "") }

func within(head, s, tail string) func(int) string {
	return func(n int) string { return head + strings.Repeat(s, max(0, n-len(head)-len(tail))/len(s)) + tail }
}

func counted(format string) func(int) string { return wrapped("", format, "") }

func wrapped(head, format, tail string) func(int) string {
	return func(n int) string {
		var b strings.Builder
		b.WriteString(head)
		for i := 0; b.Len() < n-len(tail)-len(format)-8; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String() + tail
	}
}

func stairs(line string) func(int) string {
	return func(n int) string {
		var b strings.Builder
		for i := 0; b.Len()+i+len(line) < n; i++ {
			b.WriteString(strings.Repeat(" ", i%500) + line)
		}
		return b.String()
	}
}

func laughs(n int) string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x]\n")
	for i := 1; b.Len() < n-100; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d,", i-1), 8), i-1)
	}
	return b.String()
}

// aims are the routes with a body, one for each schema that is read; a
// placeholder is filled by an ID that exists.
func aims(kind string) []string {
	if kind == "yaml" {
		return []string{"POST /v1/connections/import"}
	}
	return []string{
		"POST /v1/connections", "POST /v1/connections/import", "PUT {connection}", "PATCH {connection}",
		"POST {connection}/validate",
		"POST {connection}/syncs/contacts/plans", "POST /v1/accounts", "POST /v1/keys", "PATCH /v1/workspace",
	}
}

const (
	hostileChild  = "LOCKSTEP_TEST_HOSTILE"
	hostileMemory = 64 << 10 // KiB that one request may add to the peak
	hostileTime   = time.Second
)

// TestX14_HostileBodies sends each family at 1 MiB and at 100 kB and holds what
// the answer cost: processor time (which other load does not lengthen), and by
// how much the peak of the process's memory rose, each in a process of its own.
func TestX14_HostileBodies(t *testing.T) {
	if family := os.Getenv(hostileChild); family != "" {
		hostileRequests(t, family)
		return
	}
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the peak of a process's memory is read from /proc, which only Linux has")
	}
	families := make([]string, 0, len(hostile))
	for f := range hostile {
		families = append(families, f)
	}
	slices.Sort(families)
	var all cost
	t.Cleanup(func() { t.Logf("hostile bodies: %s", &all) }) // when every family has ended
	for i, f := range families {
		if testing.Short() && i%6 != 0 {
			continue // each is a process of its own; a sixth of them is enough while one works on something else
		}
		t.Run(f, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestX14_HostileBodies$", "-test.count=1")
			cmd.Env = append(os.Environ(), hostileChild+"="+f, "GOMAXPROCS=2")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			if !all.add(string(out)) {
				t.Errorf("it says nothing of its cost: %s", out)
			}
		})
	}
}

// cost is the most that one request cost, of several.
type cost struct {
	mu                 sync.Mutex
	families, requests int
	rose, answer       int // KiB, bytes
	took               time.Duration
}

func (c *cost) String() string {
	return fmt.Sprintf("%d families, %d requests: peak +%.1f MiB, processor time %d ms, longest answer %d KiB",
		c.families, c.requests, float64(c.rose)/1024, c.took.Milliseconds(), c.answer>>10)
}

const costLine = "cost of a family: %d requests, %d KiB, %d ns, %d bytes\n"

// add takes in what the process of a family printed.
func (c *cost) add(out string) bool {
	_, line, ok := strings.Cut(out, "cost of a family")
	var requests, rose, answer int
	var took time.Duration
	if _, err := fmt.Sscanf("cost of a family"+line, costLine, &requests, &rose, &took, &answer); !ok || err != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.families++
	c.requests += requests
	c.rose, c.took, c.answer = max(c.rose, rose), max(c.took, took), max(c.answer, answer)
	return true
}

func hostileRequests(t *testing.T, family string) {
	var all cost
	defer func() { fmt.Printf("\n"+costLine, all.requests, all.rose, all.took, all.answer) }()
	w := newWorld(t)
	id, tag := w.connect("Victim")
	kind, _, _ := strings.Cut(family, " ")
	for _, size := range []int{100_000, maxBody} {
		body := hostile[family](size)
		for _, aim := range aims(kind) {
			method, target, _ := strings.Cut(aim, " ")
			target = strings.Replace(target, "{connection}", "/v1/connections/"+id, 1)
			options := []option{}
			if kind == "yaml" {
				options = append(options, header("Content-Type", yamlMedia))
			}
			if method != http.MethodPost {
				options = append(options, ifMatch(tag))
			}
			debug.FreeOSMemory()
			before, cpu := peak(t), processorTime(t)
			r := w.do(method, target, body, options...)
			took, rose := processorTime(t)-cpu, peak(t)-before
			all.requests++
			all.rose, all.took, all.answer = max(all.rose, rose), max(all.took, took), max(all.answer, len(r.body))
			if rose > hostileMemory || took > hostileTime {
				t.Errorf("%s at %d bytes to %s: %d: %v, peak +%d KiB", family, len(body), aim, r.status, took, rose)
			}
			var p Problem
			_ = json.Unmarshal(r.body, &p) // what is none has no code
			answered := r.status >= 400 && r.status < 500 && p.Code != "" || r.status == http.StatusOK ||
				r.status == http.StatusCreated && strings.HasSuffix(target, "connections") // a draft may have any name
			if !answered || len(r.body) > 1<<20 {
				t.Errorf("%s at %d bytes to %s: %d with %d bytes: %.200s", family, len(body), aim, r.status, len(r.body), r.body)
			}
			if testing.Verbose() {
				fmt.Printf("%-26s %8d %-40s %d %-20s %8v +%d KiB\n", family, len(body), aim, r.status, p.Code, took, rose)
			}
		}
	}
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peak is the most memory that the process has held since the last call, in
// KiB: reading it starts the next measurement.
func peak(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(b), "VmHWM:")
	n, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o200); err != nil {
		t.Fatal(err)
	}
	return n
}
