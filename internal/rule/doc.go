// Package rule decides which records of a sync may travel.
//
// A filter is a tree of clauses: all, any, not, and field–operator–value. The
// rules of one way are alternatives: one that matches lets the record through,
// and every one that matches adds its actions. A way without any rule lets
// everything through; a way whose rules are all off lets nothing through.
//
// What the operators mean:
//
//   - Blank is absent, null, only white space, or a list of nothing. A record
//     whose field is blank passes is_empty, not_equals, not_contains and
//     not_in, and fails every other operator.
//   - Texts are compared without regard to case (Unicode simple folding),
//     surrounding white space and Unicode normal form.
//   - Numbers are compared as exact decimals where the field is a number, the
//     record holds one or the wanted value is one: 5 equals 5.0.
//   - A list passes when one whole item does: contains, equals and in look for
//     an item that equals the value, starts_with and ends_with at each item;
//     the not_ forms pass when no item does. Against a list of wanted values,
//     equals means the same set. A text holding "a;b;c" counts as a list where
//     the schema says that the field takes several values.
//   - before, after and the dates among equals, greater_than and less_than
//     work on calendar days in the given zone when either end is a date, else
//     on instants.
//   - in_last_days N passes from the start of the day N days ago, in the given
//     zone, up to now; what lies ahead does not pass.
//   - is_true and is_false take true, yes and 1, false, no and 0, as text,
//     number or boolean. A blank is neither.
//
// The package is pure: the time comes as an argument.
package rule
