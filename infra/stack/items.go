package stack

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// itemRight allows actions on the items of some partitions of a table. DynamoDB
// tells partitions apart (dynamodb:LeadingKeys) and nothing finer, so that kinds
// of items which not everybody may touch stand in partitions of their own; see
// internal/store/kinds.go for what stands where.
//
// Partitions are separated by blanks. One that ends in "#" is the beginning of
// many, and one that begins with "/" belongs to no workspace.
//
// The keys of a batch are judged together, by one statement: what is read or
// deleted in one batch belongs into one right.
type itemRight struct{ sid, actions, partitions string }

const (
	everyAction = "GetItem BatchGetItem Query PutItem UpdateItem DeleteItem BatchWriteItem ConditionCheckItem"
	// sealed settings are made and changed by admins, and moved to where they
	// stand by the function that serves them; see internal/store/moving.
	readAndMove = "GetItem PutItem UpdateItem DeleteItem ConditionCheckItem"
	putAndRead  = "GetItem PutItem UpdateItem"
)

// settingsRights are what the functions may do in the table of settings. Nobody
// may change or remove what is in the audit trail. Tokens are refreshed by
// whoever calls apps; all other secrets are for api alone to write.
var settingsRights = map[string][]itemRight{
	webhook: {
		{"Settings", "GetItem Query", "workspace"},
		{"Secrets", "GetItem", "credential client /webhook# /moves"},
		{"Deliveries", putAndRead, "delivery refused"},
		{"ErasureKey", "GetItem", "erasure_key"}, // nothing is kept of erased people
	},
	pull: {
		// a deleted connection ends here
		{"Settings", "GetItem Query PutItem UpdateItem DeleteItem ConditionCheckItem", "workspace"},
		{"Secrets", "GetItem", "client /workspaces /moves"},
		{"Tokens", "GetItem UpdateItem", "credential"},
		{"ErasureKey", "GetItem PutItem ConditionCheckItem", "erasure_key"},
		{"Apps", putAndRead, "schema budget#"},
		{"Audit", "PutItem", "audit"}, // an erasure that an app asked for
		{"AuditChain", "PutItem Query", "audit_head"},
	},
	sync: {
		{"Settings", "GetItem Query PutItem UpdateItem ConditionCheckItem", "workspace"},
		{"Secrets", "GetItem", "client /workspaces /moves"},
		{"Tokens", "GetItem UpdateItem", "credential"},
		{"ErasureKey", "GetItem PutItem ConditionCheckItem", "erasure_key"},
		{"Apps", putAndRead, "schema budget#"},
	},
	api: {
		{"Settings", "GetItem Query PutItem UpdateItem DeleteItem ConditionCheckItem", "workspace"},
		{"Workspaces", "GetItem Query PutItem UpdateItem", "/workspaces"},
		{"Secrets", readAndMove, "credential client webhook"},
		{"Keys", "GetItem Query PutItem DeleteItem ConditionCheckItem", "key"},
		// one right: a role has no room for more
		{"Hashes", "GetItem PutItem DeleteItem", "/api_key /session delivery refused"},
		{"Tokens", "GetItem PutItem UpdateItem DeleteItem", "/webhook# /oauth_state# idempotency alert_secret"},
		{"ErasureKey", "GetItem PutItem ConditionCheckItem", "erasure_key"},
		{"Apps", putAndRead, "schema budget# /moves"},
		{"Audit", "PutItem Query", "audit audit_head"},
		{"Alerts", "Query", "alert"},
	},
	keeper: {
		{"Settings", "GetItem Query UpdateItem", "workspace"},
		{"Workspaces", "GetItem Query", "/workspaces"},
		{"Apps", "GetItem", "schema budget# refused"},
		{"Alerts", "GetItem Query PutItem UpdateItem DeleteItem", "alert"},
		{"AlertSecrets", "GetItem DeleteItem", "alert_secret"}, // a deleted connection's ends here
		{"Users", "Query", "key"},                              // who may be told; no key itself is stored
		{"Audit", "Query", "audit"},                            // who switched something off
	},
}

// linksRights are what they may do in the table of links: sync works on all that
// belongs to a sync, pull also on what is listed, erased and deleted; the others
// look at what waits, and order.
var linksRights = map[string][]itemRight{
	webhook: {
		{"Hints", "BatchGetItem PutItem UpdateItem", "n#"}, // one that waits already is added to
		{"Orders", "PutItem UpdateItem", "/agenda /erasing"},
		{"Kept", "GetItem PutItem UpdateItem DeleteItem", "o#"}, // what apps tell that cannot be asked
		{"Erased", "GetItem Query", "erased erasures"},
	},
	pull: {
		{"Links", everyAction, "l# i# h# n# x# p# k# o# e# y# wleft# wright# v# u# d# c# erased erasures /agenda /erasing"},
	},
	sync: {
		{"Links", everyAction, "l# i# h# n# x# p# k# o# wleft# wright# v# u# d# c#"},
		{"Erased", "GetItem Query", "erased erasures /erasing"},
		{"Agenda", "PutItem UpdateItem", "/agenda"},
	},
	api: {
		{"Links", "GetItem BatchGetItem Query", "l# o#"},
		{"Waiting", "Query", "n# p# wleft# wright# v#"},
		{"GivenUp", "Query DeleteItem", "x# d# o#"}, // o#: of a draft that is deleted
		{"Syncs", putAndRead + " DeleteItem", "h#"}, // what a sync waited for, when a person ends it
		{"Orders", "PutItem UpdateItem", "y# u# /agenda"},
		{"Erased", "GetItem Query PutItem UpdateItem", "erased erasures /erasing"},
	},
	keeper: {
		{"Waiting", "Query", "n# p# wleft# wright# v# d#"},
		{"GivenUp", "Query DeleteItem", "x#"},
		{"Syncs", putAndRead, "h#"},
		{"Agenda", "PutItem UpdateItem", "/agenda"},
	},
}

// logRights are what they may do in the table of the log. Pages of the log are
// added by sync; only pull, which carries out erasures and the deletion of
// connections, changes or removes any.
var logRights = map[string][]itemRight{
	webhook: {
		{"Runs", "PutItem", "runs"},
		{"RunNames", "PutItem UpdateItem", "runs#"},
	},
	pull: {{"Log", everyAction, "g# day# runs runs# runcounts# plans plan#"}},
	sync: {
		{"Log", "PutItem", "g#"},
		{"Counters", putAndRead, "day# runs runs# runcounts# plans plan#"},
	},
	api: {
		{"Log", "GetItem Query", "g#"},
		{"Counters", "GetItem BatchGetItem Query", "day# runcounts# plan#"},
		{"Runs", "GetItem BatchGetItem Query PutItem UpdateItem", "runs runs# plans"},
	},
	keeper: {
		{"Counters", "GetItem BatchGetItem", "day# runcounts#"},
		{"Runs", "GetItem BatchGetItem Query PutItem UpdateItem", "runs runs#"},
	},
}

// listers list the rare states of links by the index, whose partitions are
// named otherwise.
var listers = map[string]bool{pull: true, sync: true, api: true}

// items are the statements about the items of all tables.
func (s *Stack) items(function string) []awsiam.PolicyStatement {
	var out []awsiam.PolicyStatement
	for _, t := range []struct {
		sid, table string
		rights     []itemRight
	}{
		{"Settings", settings, settingsRights[function]},
		{"Links", links, linksRights[function]},
		{"Log", logs, logRights[function]},
	} {
		for _, r := range t.rights {
			out = append(out, s.allowItems(t.sid+r.sid, t.table, r))
		}
	}
	if listers[function] {
		out = append(out, allow("LinksByState", []string{"dynamodb:Query"}, indexARN(s.tables[links])))
	}
	return out
}

func (s *Stack) allowItems(sid, table string, r itemRight) awsiam.PolicyStatement {
	var actions []string
	for a := range strings.FieldsSeq(r.actions) {
		actions = append(actions, "dynamodb:"+a)
	}
	var keys []any
	for p := range strings.FieldsSeq(r.partitions) {
		keys = append(keys, leadingKey(p))
	}
	st := allow(sid, actions, s.tables[table].TableArn())
	st.AddCondition(jsii.String("ForAllValues:StringLike"), map[string]any{"dynamodb:LeadingKeys": keys})
	// All of no keys are like any pattern: a request that names none is refused.
	st.AddCondition(jsii.String("Null"), map[string]any{"dynamodb:LeadingKeys": "false"})
	return st
}

// leadingKey is the pattern of the keys of a partition. A key is the workspace,
// a bar and the partition (internal/store/dynamostore/keys.go).
func leadingKey(partition string) string {
	workspace := "*"
	if own, top := strings.CutPrefix(partition, "/"); top {
		workspace, partition = "", own
	}
	if strings.HasSuffix(partition, "#") {
		partition += "*"
	}
	return workspace + "|" + partition
}
