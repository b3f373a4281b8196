package fakekit

import (
	"fmt"
	"strings"
)

// Person is one made-up person as one side's app holds them.
type Person struct {
	// Number is the same for the same person on both sides, and for the
	// duplicates of a person inside one side.
	Number    int
	First     string
	Last      string
	Email     string // "" for people without
	Phone     string
	JobTitle  string
	Company   string
	City      string
	Birthday  string // YYYY-MM-DD
	Duplicate bool   // an extra record of a person who is on this side already
}

// Numbers says what People(n, 0) and People(n, 1) hold together.
type Numbers struct {
	Records     [2]int // per slot; slot 1 has the duplicates on top of its n
	Shared      int    // people on both sides, by e-mail: n - 0.4n
	Conflicting int    // of them, with one field different: job title and last name by turns; 40 per 1,000 of n
	CityMissing int    // of them, without a city in slot 1; 30 per 1,000 of n, never conflicting ones
	OnlyIn      [2]int // people on one side only
	NoEmail     [2]int // of them, without e-mail; 25 per 1,000 of n on both sides together
	// Duplicates are the extra records in slot 1, 15 per 1,000 of n. They repeat
	// the e-mail of a person who is only in slot 1: of five extras, three make a
	// group of two and two more a group of three.
	Duplicates       int
	DuplicateGroups  int
	DuplicateMembers int // Duplicates + DuplicateGroups
	// After is what each side holds once everybody who may be synced is on both:
	// nobody without e-mail and no member of a duplicate group travels.
	After [2]int
	// Linked is the number of pairs then.
	Linked int
}

// Expected returns the numbers for n people a side.
func Expected(n int) Numbers {
	start := n * 4 / 10
	e := Numbers{
		Shared: n - start, OnlyIn: [2]int{start, start}, Conflicting: min(n*40/1000, n-start), Duplicates: n * 15 / 1000,
	}
	e.CityMissing = n * 30 / 1000
	noEmail := n * 25 / 1000
	e.NoEmail = [2]int{noEmail - noEmail/2, noEmail / 2}
	e.DuplicateGroups = groups(e.Duplicates)
	e.DuplicateMembers = e.Duplicates + e.DuplicateGroups
	e.Records = [2]int{n, n + e.Duplicates}
	toLeft := e.OnlyIn[1] - e.NoEmail[1] - e.DuplicateGroups
	toRight := e.OnlyIn[0] - e.NoEmail[0]
	e.After = [2]int{e.Records[0] + toLeft, e.Records[1] + toRight}
	e.Linked = e.Shared + toLeft + toRight
	return e
}

// groups returns how many groups hold that many extra records.
func groups(extras int) int {
	return extras/5*4 + min(extras%5, 4)
}

// extrasOf returns how many extra records group g has.
func extrasOf(g, extras int) int {
	if g%4 == 3 && extras >= 5*(g/4+1) {
		return 2
	}
	return 1
}

// pick reports whether item i of n is among k that are spread evenly.
func pick(i, n, k int) bool { return n > 0 && (i+1)*k/n != i*k/n }

// People returns the people of one side, always the same ones. Slot 0 holds
// people 0 to n-1, slot 1 people 0.4n to 1.4n-1 and its duplicates: of 1,000 a
// side 600 are shared. See Expected for how they differ. Shared people have the
// same phone number in different formats, and in slot 1 two of three have other
// letter case in the e-mail. Phone numbers are of ranges reserved for fiction,
// and repeat from some thousands of people on.
func People(n, slot int) []Person {
	e := Expected(n)
	start := n * 4 / 10
	out := make([]Person, 0, e.Records[slot])
	group, seen := 0, 0
	var extra []Person
	for i := slot * start; i < slot*start+n; i++ {
		p := person(i, slot)
		switch {
		case i >= start && i < n: // shared
			differ(&p, i-start, slot, e)
		case pick(i%n%max(start, 1), start, e.NoEmail[slot]):
			p.Email = ""
		case slot == 1:
			if pick(seen, start-e.NoEmail[1], e.DuplicateGroups) {
				for k := range extrasOf(group, e.Duplicates) {
					extra = append(extra, duplicate(p, k))
				}
				group++
			}
			seen++
		}
		out = append(out, p)
	}
	return append(out, extra...)
}

// differ makes shared person j of slot 1 differ where Expected says so.
func differ(p *Person, j, slot int, e Numbers) {
	conflicting := pick(j, e.Shared, e.Conflicting)
	if slot == 0 {
		return
	}
	switch {
	case conflicting && j%2 == 0:
		p.JobTitle = "Senior " + p.JobTitle
	case conflicting:
		p.Last += "-Baker"
	case pick(j-j*e.Conflicting/e.Shared, e.Shared-e.Conflicting, e.CityMissing):
		p.City = ""
	}
}

// duplicate is the k-th extra record of p: the same e-mail, not the same words.
func duplicate(p Person, k int) Person {
	p.Duplicate = true
	p.JobTitle = ""
	p.Phone = ""
	if k > 0 {
		p.Email = strings.ToUpper(p.Email)
	}
	return p
}

type name struct{ text, ascii string }

var given = []name{
	{"Ada", "ada"},
	{"Jürgen", "juergen"},
	{"Zoë", "zoe"},
	{"Liam", "liam"},
	{"Aoife", "aoife"},
	{"Björn", "bjoern"},
	{"Chloé", "chloe"},
	{"太郎", "taro"},
	{"Mary Ann", "maryann"},
	{"Siân", "sian"},
	{"Noah", "noah"},
	{"Günther", "guenther"},
	{"Inês", "ines"},
	{"明", "ming"},
	{"Søren", "soeren"},
	{"Emma", "emma"},
	{"François", "francois"},
	{"Łucja", "lucja"},
	{"민준", "minjun"},
	{"Jean-Luc", "jeanluc"},
	{"Olga", "olga"},
	{"Ångström", "angstrom"},
	{"Tess", "tess"},
}

var family = []name{
	{"Smith", "smith"},
	{"O'Brien", "obrien"},
	{"Müller", "mueller"},
	{"Nuñez", "nunez"},
	{"D'Angelo", "dangelo"},
	{"山田", "yamada"},
	{"Weiß", "weiss"},
	{"Garcia", "garcia"},
	{"Øvergård", "overgard"},
	{"李", "li"},
	{"Brown", "brown"},
	{"Çelik", "celik"},
	{"van der Berg", "vanderberg"},
	{"Dvořák", "dvorak"},
	{"Jones", "jones"},
	{"O’Neill", "oneill"},
	{"김", "kim"},
	{"Łukasik", "lukasik"},
	{"Taylor", "taylor"},
}

var (
	titles = []string{
		"Engineer", "Head of Joy 🎉", "Buyer", "Chef d’équipe", "Owner", "Sales Lead", "Geschäftsführer",
		"Nurse", "Analyst 📈", "Teacher", "営業部長",
	}
	companies = []string{
		"Example Works", "Sample & Sons", "Beispiel GmbH", "Exemple SARL", "Placeholder Ltd", "Demo \"Quoted\" Inc", "見本株式会社",
	}
	cities  = []string{"Springfield", "Köln", "San José", "Zürich", "Reykjavík", "Łódź", "東京", "Portland", "Malmö"}
	domains = []string{"example.com", "example.org", "example.net"}
	areas   = []string{"202", "212", "303", "312", "404", "415", "503", "512", "602", "617", "702", "713", "808", "907"}
)

// person returns person i with no difference between the sides but in the
// spelling of phone and e-mail.
func person(i, slot int) Person {
	first, last := given[i%len(given)], family[i/3%len(family)]
	p := Person{
		Number: i, First: first.text, Last: last.text,
		Email:    fmt.Sprintf("%s.%s.%d@%s", first.ascii, last.ascii, i, domains[i%len(domains)]),
		JobTitle: titles[i/2%len(titles)], Company: companies[i%len(companies)], City: cities[i/5%len(cities)],
		Birthday: fmt.Sprintf("%04d-%02d-%02d", 1950+i%50, 1+i/7%12, 1+i/11%28),
	}
	style := i % 5
	if slot == 1 {
		style = (i%5 + 1 + i/5%4) % 5
		switch i % 3 {
		case 0:
			p.Email = strings.ToUpper(p.Email[:1]) + p.Email[1:]
		case 1:
			p.Email = strings.ToUpper(p.Email)
		}
	}
	p.Phone = phone(i, style)
	return p
}

// phone writes the number of person i in one of five styles. They all read the
// same whatever the default country is, but for the American national ones.
func phone(i, style int) string {
	switch i % 7 {
	case 3: // 030 23125 000–999 is kept free for films in Germany
		n := fmt.Sprintf("23125%03d", i%1000)
		return [5]string{"+4930" + n, "+49 (30) " + n, "+49.30." + n, "+49-30-" + n, "+49 30 " + n}[style]
	case 5: // 020 7946 0000–0999 likewise in the United Kingdom
		n := fmt.Sprintf("7946 0%03d", i%1000)
		j := strings.ReplaceAll(n, " ", "")
		return [5]string{
			"+4420" + j, "+44 (20) " + n, "+44.20." + strings.ReplaceAll(n, " ", "."),
			"+44-20-" + strings.ReplaceAll(n, " ", "-"), "+44 20 " + n,
		}[style]
	}
	area, line := areas[i/100%len(areas)], fmt.Sprintf("01%02d", i%100)
	return [5]string{
		"+1" + area + "555" + line, "(" + area + ") 555-" + line, area + ".555." + line,
		"1-" + area + "-555-" + line, "+1 " + area + " 555 " + line,
	}[style]
}
