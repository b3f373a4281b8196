package e2e

import (
	"fmt"
	"slices"
	"strings"
)

// person is a linked pair as the edits see it.
type person struct {
	mail string
	ids  [2]string // left, right
}

// edit is one value that a user types on one side.
type edit struct {
	who   person
	side  int
	field int // of fields
	value string
}

// editedFields are typed into by turns.
var editedFields = []int{4, 5, 1, phoneField, 2}

// editsOf returns n edits a side of the people, in the order in which they are
// typed: left and right by turns, every person once, but for each tenth, who is
// edited on both sides at once, in two fields. No value is typed twice.
func editsOf(people []person, n int) []edit {
	people = slices.Clone(people)
	slices.SortFunc(people, func(a, b person) int { return strings.Compare(a.mail, b.mail) })
	var out []edit
	for i := range 2 * n {
		at := i
		if i%20 == 1 {
			at = i - 1 // the same person as just before, on the other side
		}
		field := editedFields[(i/2+i%2)%len(editedFields)]
		e := edit{who: people[at*len(people)/(2*n)], side: i % 2, field: field, value: fmt.Sprintf("Edit %d", i)}
		if field == phoneField {
			e.value = fmt.Sprintf("+1 415 555 %04d", 100+i%100) // a range that is reserved for fiction
		}
		out = append(out, e)
	}
	return out
}

// newcomers returns n people who are typed into one side only, in its fields.
func newcomers(side, n int) []map[string]string {
	out := make([]map[string]string, n)
	for i := range n {
		out[i] = map[string]string{}
		for f, v := range []string{
			fmt.Sprintf("newcomer.%d.%d@example.com", side, i), fmt.Sprintf("New %d", i), fmt.Sprintf("Comer %d", side),
			fmt.Sprintf("+1 212 555 %04d", 100+side*50+i%50), "Guest", "Portland",
		} {
			out[i][fields[side][f]] = v
		}
	}
	return out
}
