package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/proof/written"
)

// TestStrictBodiesAreAsWritten: which bodies are one JSON value and which are not
// any more, byte by byte at each bound, with what is said of them.
func TestStrictBodiesAreAsWritten(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	nested := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	many := func(tokens int) string { return "[" + strings.Repeat("0,", tokens-3) + "0]" }
	var out strings.Builder
	for _, body := range []string{
		``, ` `, `1`, ` 1 `, `"a"`, `null`, `true`, `{}`, `[]`, `1 2`, `{} x`, `[] ]`, `{`, `[1`, `{"a"}`, `{"a":}`, `[1,]`, `{,}`, `nul`,
		`"\ud7ff"`, `"\ud800"`, `"\udbff"`, `"\udc00"`, `"\udfff"`, `"\ue000"`, `"\uD83D\uDE00"`, `"\ud800\udc00"`, `"\udbff\udfff"`,
		`"\ud800\udbff"`, `"\ud800\ue000"`, `"\ud83d\ude00\ud83d\ude00"`, `"\ud83d\ude00\ud83d"`, `"\ud83d\ude00\ude00"`,
		`"\ud83d\ude00x\ud83d"`, `"\ud83d\ude0"`, `"\ud83d`, `"\ud83d\`, `"\\ud83d"`, `"\\\ud83d"`, `"\n\ud83d"`, `"\"\ude00"`, `"a\u0041\ude00"`,
		"\"\xff\"", "\"a\xc3\xa9\xc3\"", "\xef\xbf\xbd", "\"\xef\xbf\xbd\xff\"", "{\"a\":\"\xed\xa0\x80\"}",
		deep(maxDepth), deep(maxDepth + 1), nested(maxDepth), nested(maxDepth + 1), `[` + nested(maxDepth-1) + `,` + deep(maxDepth) + `]`,
		`{"` + strings.Repeat("k", maxKey) + `":1}`, `{"x":[{"` + strings.Repeat("k", maxKey+1) + `":1}]}`,
		`{"a":1,"a":2}`, `{"a":1,"A":2}`, `{"a":{"b":1},"c":[0,{"b":1,"d":2,"b":3}]}`, `[{"a":1},{"a":1}]`, `{"a~/b":{"c":1,"c":2}}`,
		many(2*maxValues - 1), many(2 * maxValues), many(2*maxValues + 1),
		`1.10`, `1e999`, `-0`, `01`, `[1,2,{"a":[true,nope]}]`, `{"a":[1,{"b":"c"},x]}`,
	} {
		short := body
		if len(short) > 90 {
			short = fmt.Sprintf("%s… of %d", short[:80], len(body))
		}
		v, p := strictJSON([]byte(body))
		if p != nil {
			fmt.Fprintf(&out, "%q: %s %q at %q\n", short, p.Code, p.Detail, p.Errors[0].Pointer)
			continue
		}
		text := fmt.Sprintf("%#v", v)
		if len(text) > 120 {
			text = fmt.Sprintf("%d characters", len(text))
		}
		fmt.Fprintf(&out, "%q: %s\n", short, text)
	}
	written.Check(t, "decided/strict.txt", out.String())
}
