// Package rows holds the tests of the feature table: TestRow119_… shows row 119
// of docs/features.md. A row test speaks HTTP and nothing else, to a program
// that runs and to fake apps, and reads the result from what the apps hold and
// the mail server got. What the program does every minute alone, looking for what
// is wrong, a test has it do at once.
//
// One program per storage serves all tests. Each test has apps, accounts and
// connections of its own. Tests run side by side, but for those that move the
// clock: they have the program for themselves.
//
// "make rows" prints the rows with their tests, "make rows-patched" takes the
// behaviour of each row away and shows that its test fails; see scripts/rows.
package rows
