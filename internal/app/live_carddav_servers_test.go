package app

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// davServer is a real server with an address book of one user.
type davServer struct {
	t          *testing.T
	name, base string
	book       string // its path
}

// call makes one call as another client of the user's.
func (s davServer) call(method, path, body string, header ...string) (status int, text string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.SetBasicAuth("ada", "secret")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(said)
}

func (s davServer) put(name, card string) {
	s.t.Helper()
	if status, said := s.call("PUT", s.book+name, card, "Content-Type", "text/vcard; charset=utf-8"); status >= 300 {
		s.t.Fatalf("%s: PUT %s: %d %s", s.name, name, status, said)
	}
}

// cards are all cards, by name.
func (s davServer) cards() map[string]string {
	s.t.Helper()
	status, said := s.call("PROPFIND", s.book, `<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>`, "Depth", "1",
		"Content-Type", "application/xml")
	var all struct {
		Hrefs []string `xml:"DAV: response>href"`
	}
	if err := xml.Unmarshal([]byte(said), &all); err != nil || status != http.StatusMultiStatus {
		s.t.Fatalf("%s: %d %v", s.name, status, err)
	}
	out := map[string]string{}
	for _, href := range all.Hrefs {
		if name, inside := strings.CutPrefix(href, s.book); inside && name != "" {
			if status, out[name] = s.call("GET", href, ""); status != http.StatusOK {
				s.t.Fatalf("%s: GET %s: %d", s.name, name, status)
			}
		}
	}
	return out
}

// holds is the first value of a property.
func holds(card, name string) string {
	unfolded := regexp.MustCompile(`\r?\n[ \t]`).ReplaceAllString(card, "")
	if m := regexp.MustCompile(`(?m)^` + name + `(?:;[^:\n]*)?:(.*?)\r?$`).FindStringSubmatch(unfolded); m != nil {
		return m[1]
	}
	return ""
}

// unknown are the lines of a card that are not synced, as the server has them, folds included.
func unknown(card string) []string {
	return regexp.MustCompile(`(?m)^(?:PHOTO|X-|item1\.|IMPP)[^\n]*\n(?:[ \t][^\n]*\n)*`).FindAllString(card, -1)
}

// folded is a line as clients send it.
func folded(line string) string {
	var b strings.Builder
	for room := 75; len(line) > room; room = 74 {
		b.WriteString(line[:room] + "\r\n ")
		line = line[room:]
	}
	return b.String() + line + "\r\n"
}

// filled puts people into an address book, each with a photo and properties that nobody knows.
func (s davServer) filled(people []fakekit.Person) (names int) {
	s.t.Helper()
	seen := map[string]bool{}
	for _, p := range people {
		if p.Email == "" || seen[strings.ToLower(p.Email)] {
			continue
		}
		seen[strings.ToLower(p.Email)] = true
		names++
		id := fmt.Sprintf("%s-%d", s.name, p.Number)
		photo := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte(id), 200))
		s.put(id+".vcf", "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:"+id+"\r\n"+folded("FN:"+p.First+" "+p.Last)+
			"N:"+p.Last+";"+p.First+";;;\r\n"+"EMAIL;TYPE=WORK:"+p.Email+"\r\nEMAIL;TYPE=HOME:second."+id+"@example.org\r\n"+
			"TEL;TYPE=CELL:"+p.Phone+"\r\n"+folded("PHOTO;ENCODING=b;TYPE=JPEG:"+photo)+
			"X-SPIN;X-A=\"b c\":d\\,e\\;f\r\nitem1.X-ABLABEL:_$!<Other>!$_\r\nIMPP;X-SERVICE-TYPE=x:xmpp:"+id+"\r\nCATEGORIES:tea,"+
			s.name+"\r\nEND:VCARD\r\n")
	}
	return names
}

// cardsByMail are the cards by the first e-mail.
func cardsByMail(cards map[string]string) map[string]string {
	out := map[string]string{}
	for name, card := range cards {
		out[strings.ToLower(holds(card, "EMAIL"))] = name
	}
	return out
}

// sizes is how many people a side has: LOCKSTEP_TEST_CARDS, or 200.
func sizes(t *testing.T) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("LOCKSTEP_TEST_CARDS"), "200"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// realServers are those that LOCKSTEP_TEST_CARDDAV names: NAME=ADDRESS=PATH, by commas.
func realServers(t *testing.T) (out []davServer) {
	t.Helper()
	list := os.Getenv("LOCKSTEP_TEST_CARDDAV")
	if list == "" {
		t.Skip("LOCKSTEP_TEST_CARDDAV names no servers: scripts/verify.d/56-carddav.sh starts some")
	}
	for one := range strings.SplitSeq(list, ",") {
		part := strings.Split(one, "=")
		out = append(out, davServer{t, part[0], part[1], part[2]})
	}
	return out
}

// TestCardDAVServers keeps the address books of two real servers in step with each other,
// and then the first one with HubSpot's fake: all people are on both sides, edits and
// deletions of either arrive, a resync writes nothing, and what is not synced is byte for
// byte as the servers had it.
func TestCardDAVServers(t *testing.T) {
	servers := realServers(t)
	n := sizes(t)
	o := Options{DataDir: t.TempDir()}
	for _, s := range servers {
		o.AllowHosts = append(o.AllowHosts, strings.TrimPrefix(s.base, "http://"))
	}
	l := launched(t, o, engine.Tuning{})
	hub := l.left
	var accounts [2]crm.AccountID
	var before [2]map[string]string
	var group sync.WaitGroup
	for i, s := range servers {
		accounts[i] = l.account("carddav", s.base, map[string]string{
			"kind": "basic", "username": "ada", "password": "secret",
		})
		group.Go(func() {
			s.filled(fakekit.People(n, i))
			before[i] = s.cards()
		})
	}
	group.Wait()
	everybody := cardsByMail(before[0])
	for mail := range cardsByMail(before[1]) {
		everybody[mail] = ""
	}
	said := func(what string, began time.Time) {
		t.Logf("%s: %d cards, %.1f s", what, len(everybody), time.Since(began).Seconds())
	}
	same := func(when string) (now [2]map[string]string) {
		t.Helper()
		for i, s := range servers {
			if now[i] = s.cards(); len(now[i]) != len(everybody) {
				t.Errorf("%s: %s has %d cards, want %d", when, s.name, len(now[i]), len(everybody))
			}
		}
		left, right := cardsByMail(now[0]), cardsByMail(now[1])
		for mail, name := range left {
			for _, field := range []string{"N", "TITLE"} {
				if a, b := holds(now[0][name], field), holds(now[1][right[mail]], field); a != b {
					t.Errorf("%s: %s of %s is %q and %q", when, field, mail, a, b)
				}
			}
		}
		for i, s := range servers {
			for name, card := range before[i] {
				now, there := now[i][name]
				if there && !slices.Equal(unknown(card), unknown(now)) {
					t.Fatalf("%s: %s has in %s\n%q, and had\n%q", when, name, s.name, unknown(now), unknown(card))
				}
			}
		}
		return now
	}
	if len(unknown(before[0][servers[0].name+"-"+"1.vcf"])) < 4 {
		t.Fatalf("the cards lack what is not to be touched:\n%s", before[0][servers[0].name+"-1.vcf"])
	}

	l.left, l.right = accounts[0], accounts[1]
	began := time.Now()
	l.connectCards()
	if run := l.start(); run.Outcomes[crm.Failed] != 0 {
		t.Fatalf("the first sync: %v", run.Outcomes)
	}
	said("the first sync between "+servers[0].name+" and "+servers[1].name, began)
	now := same("after the first sync")
	began = time.Now()
	var gone string
	for i, s := range servers { // a title here and there, and one deletion
		names := []string{}
		for name := range before[i] {
			names = append(names, name)
		}
		slices.Sort(names)
		for k, name := range names[:min(10, len(names))] {
			card := strings.Replace(now[i][name], "END:VCARD", "TITLE:Baker "+strconv.Itoa(k)+" "+s.name+"\r\nEND:VCARD", 1)
			s.put(name, card)
		}
		if i == 0 {
			gone = names[len(names)-1]
			delete(everybody, strings.ToLower(holds(now[i][gone], "EMAIL")))
			if status, text := s.call("DELETE", s.book+gone, ""); status >= 300 {
				t.Fatalf("%s: DELETE: %d %s", s.name, status, text)
			}
		}
	}
	l.pull()
	l.drain()
	said("edits on both", began)
	twins := cardsByMail(servers[1].cards())
	lost := strings.ToLower(holds(now[0][gone], "EMAIL"))
	if name := twins[lost]; name != "" { // deletions do not travel by themselves
		if status, text := servers[1].call("DELETE", servers[1].book+name, ""); status >= 300 {
			t.Fatalf("DELETE: %d %s", status, text)
		}
	}
	l.pull()
	l.drain()
	now = same("after edits")
	titles := 0
	for _, card := range now[1] {
		if strings.HasPrefix(holds(card, "TITLE"), "Baker") {
			titles++
		}
	}
	if titles < 10 {
		t.Errorf("%d titles arrived", titles)
	}
	if run := l.run("POST", l.sync+"/resync",
		nil); run.Outcomes[crm.Created]+run.Outcomes[crm.Updated]+run.Outcomes[crm.Failed] != 0 {
		t.Errorf("a resync: %v", run.Outcomes)
	}

	l.want(202, "DELETE", l.con+"?confirm=Cards", nil, "If-Match", "*")
	l.drain()
	began = time.Now()
	l.left, l.right = hub, accounts[0]
	l.hub.Core().Seed(n, 1)
	l.preset("hubspot-carddav-contacts")
	if run := l.start(); run.Outcomes[crm.Failed] != 0 {
		t.Fatalf("the first sync with HubSpot: %v", run.Outcomes)
	}
	mails := map[string]bool{}
	for _, r := range l.hub.Core().Records("contacts") {
		mails[strings.ToLower(r.Fields["email"])] = true
	}
	for mail := range everybody {
		if !mails[mail] {
			t.Errorf("%s is not in HubSpot", mail)
		}
	}
	said("the first sync between HubSpot's fake and "+servers[0].name, began)
	for name, card := range servers[0].cards() {
		if was := before[0][name]; was != "" && !slices.Equal(unknown(was), unknown(card)) {
			t.Fatalf("%s has\n%q, and had\n%q", name, unknown(card), unknown(was))
		}
	}
	if run := l.run("POST", l.con+"/syncs/contacts/resync",
		nil); run.Outcomes[crm.Created]+run.Outcomes[crm.Updated]+run.Outcomes[crm.Failed] != 0 {
		t.Errorf("a resync with HubSpot: %v", run.Outcomes)
	}
}

// connectCards makes a connection of two address books.
func (l *live) connectCards() {
	l.t.Helper()
	text := fmt.Sprintf(`{"name":"Cards","left":{"account":%q},"right":{"account":%q},"default_country":"US","syncs":[{
		"id":"contacts","left":{"object":"contacts"},"right":{"object":"contacts"},"schedule":"manual","conflict":"left",
		"match":[{"by":"any_key","pairs":[["EMAIL","EMAIL"]]}],
		"mappings":[
			{"id":"email","left":["EMAIL"],"right":["EMAIL"],"transform":{"type":"email"}},
			{"id":"first","left":["N/given"],"right":["N/given"]},
			{"id":"last","left":["N/family"],"right":["N/family"]},
			{"id":"phone","left":["TEL"],"right":["TEL"],"transform":{"type":"phone"}},
			{"id":"title","left":["TITLE"],"right":["TITLE"]},
			{"id":"categories","left":["CATEGORIES"],"right":["CATEGORIES"]}
		]}]}`, l.left, l.right)
	l.con = "/v1/connections/" + l.must(201, "POST", "/v1/connections", text)["id"].(string)
	l.sync = l.con + "/syncs/contacts"
}
