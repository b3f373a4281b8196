package salesforcefake

import "strings"

// orgID and the users' IDs never change.
var (
	orgID  = full("00DLk0000000001")
	userID = full("005Lk0000000001") // whom the API's sessions stand for
	// colleagueID is who edits by the knobs: another person than the API's user.
	colleagueID = full("005Lk0000000002")
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// newID makes the n-th ID of a key prefix. IDs sort as bytes in order of n.
func newID(prefix string, n int) string {
	b := []byte(prefix + "Lk0000000000")
	for i := len(b) - 1; n > 0; i-- {
		b[i] = base62[n%62]
		n /= 62
	}
	return full(string(b))
}

// full returns the 18-character form of an ID; "" for what is none.
func full(id string) string {
	if len(id) != 15 && len(id) != 18 || strings.Trim(id, base62) != "" {
		return ""
	}
	out := []byte(id[:15])
	for part := range 3 {
		bits := 0
		for i, c := range id[part*5 : part*5+5] {
			if c >= 'A' && c <= 'Z' {
				bits |= 1 << i
			}
		}
		out = append(out, "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[bits])
	}
	if len(id) == 18 && string(out) != id {
		return ""
	}
	return string(out)
}
