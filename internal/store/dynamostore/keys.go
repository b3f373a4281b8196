package dynamostore

import (
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// The schema that the tables must have.
const (
	PartitionKey      = "p"     // S, hash key of the table
	SortKey           = "s"     // S, range key of the table
	IndexName         = "index" // the one secondary index, projecting all attributes
	IndexPartitionKey = "i"     // S, hash key of the index
	IndexSortKey      = "j"     // S, range key of the index
	TTLAttribute      = "x"     // N, seconds since 1970
)

const (
	versionAttribute = "v"
	dataAttribute    = "d"
	tokenAttribute   = "t"
	counterPrefix    = "c_" // no other attribute begins with it
)

// attributes is an item, or a part of one, as the SDK has it.
type attributes = map[string]types.AttributeValue

// prefix is what stands before every partition of a workspace. The first bar
// ends the workspace; one that holds a bar itself, or begins like the escape,
// has its length before it, so that no two workspaces and partitions meet.
func prefix(ws crm.WorkspaceID) string {
	w := string(ws)
	if strings.HasPrefix(w, "~") || strings.Contains(w, "|") {
		return "~" + strconv.Itoa(len(w)) + "~" + w + "|"
	}
	return w + "|"
}

func keyOf(k store.Key) attributes {
	return attributes{PartitionKey: text(prefix(k.Workspace) + k.Partition), SortKey: text(k.Sort)}
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func blob(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }

// predecessor is the greatest sort text below s: what makes an inclusive bound
// of an exclusive one. Texts are UTF-8 of at most store.MaxSortBytes bytes,
// compared byte by byte, which is the order of their code points. s is not empty.
func predecessor(s string) string {
	r := []rune(s)
	last := r[len(r)-1]
	head := string(r[:len(r)-1])
	switch last {
	case 0:
		return head // nothing stands between a text and the text with a zero behind it
	case 0xE000:
		last = 0xD7FF // surrogates are no characters
	default:
		last--
	}
	b := append([]byte(head), string(last)...)
	for len(b) < store.MaxSortBytes {
		b = append(b, greatest[min(store.MaxSortBytes-len(b), 4)]...)
	}
	return string(b)
}

// greatest is the last character of up to so many bytes.
var greatest = [...]string{1: "\u007f", 2: "\u07ff", 3: "\uffff", 4: "\U0010ffff"}
