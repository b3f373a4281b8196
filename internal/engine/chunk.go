package engine

import (
	"encoding/json"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// chunkFormat is the version of the message; release N reads N-1 and N.
const chunkFormat = 1

// chunk is one message: up to a hundred record IDs of one sync and side. It
// carries hints, never values that would be merged.
type chunk struct {
	V          int              `json:"v"`
	ID         string           `json:"id"` // stays the same when the chunk is parked or sent again
	Workspace  crm.WorkspaceID  `json:"ws"`
	Connection crm.ConnectionID `json:"con"`
	Sync       crm.SyncID       `json:"sync"`
	Generation int64            `json:"gen"`
	Config     int64            `json:"cfg"` // connection version at sending
	Kind       RunKind          `json:"kind"`
	Run        crm.RunID        `json:"run,omitempty"`
	Counted    bool             `json:"cnt,omitempty"` // the run waits for this chunk
	Side       crm.Side         `json:"side"`
	Hints      []hint           `json:"hints"`
	Trace      string           `json:"trace,omitempty"`
	Plan       crm.PlanID       `json:"plan,omitempty"`
	Since      time.Time        `json:"since"`
	Parked     time.Time        `json:"pat,omitzero"`  // when it was put aside, and why
	Why        string           `json:"why,omitempty"` // a code
}

// hint says that one record deserves a look.
type hint struct {
	ID crm.RecordID `json:"id"`
	// of the mapped fields as a pull saw them; equal to the link's = nothing to do
	Digest string `json:"d,omitempty"`
	Gone   bool   `json:"x,omitempty"` // somebody says it was deleted
	// the deletion was counted; apply it if the record is still gone
	Confirm bool                         `json:"c,omitempty"`
	Into    crm.RecordID                 `json:"m,omitempty"`  // it lost a merge to this record
	Merged  []crm.RecordID               `json:"ml,omitempty"` // records that were merged into this one
	Primary crm.RecordID                 `json:"pm,omitempty"` // of these, whose values this one has
	Force   bool                         `json:"f,omitempty"`  // look at both sides whatever the digest says
	Expect  string                       `json:"e,omitempty"`  // apply: digest of the planned change
	Op      string                       `json:"o,omitempty"`  // link, unlink, resolve, unfreeze, restore
	Partner crm.RecordID                 `json:"p,omitempty"`
	Resolve map[crm.MappingID]Resolution `json:"r,omitempty"`
	Wins    crm.Side                     `json:"wi,omitempty"` // resolve: this side, wherever a person is to decide
	Kept    string                       `json:"kp,omitempty"` // resolve: where the values lie, see decided
	Thaw    []crm.MappingID              `json:"th,omitempty"` // fields that are to be let go
	Undo    crm.RunID                    `json:"un,omitempty"` // what this run changed is to be taken back
	Entry   string                       `json:"en,omitempty"` // the log entry of that, the first of several; restore: the only one
	Fields  []crm.MappingID              `json:"fl,omitempty"` // restore, resolve: these alone; none = all that the entry tells of, or wait
	Tries   int                          `json:"t,omitempty"`
	Again   bool                         `json:"g,omitempty"`  // try again what an app refused
	Missed  bool                         `json:"z,omitempty"`  // the app denied it when last asked
	Weighed bool                         `json:"g1,omitempty"` // what it replaces was counted already
	Decided crm.MappingID                `json:"g2,omitempty"` // it waited for a person's decision about this mapping
	// its outcome was counted with the chunk that this one was cut from
	Told   bool     `json:"k,omitempty"`
	Barred crm.Side `json:"b,omitempty"`  // it waited for the right to write to this side
	Freed  crm.Side `json:"fr,omitempty"` // it waited so until the app took a write of another record
	// of the other side: the app named it as the one in the way of a second one
	Holder crm.RecordID `json:"h,omitempty"`
	// of the other side: a full listing found them by the record's keys
	Twins   []crm.RecordID `json:"w,omitempty"`
	Doubles []crm.RecordID `json:"u,omitempty"` // of its own side, likewise
	// it was not as it was last seen: remember how it is, whatever comes of it
	Audit bool `json:"y,omitempty"`
	// a mapping holds from now on: note what differs, and do nothing else
	Later  bool `json:"lt,omitempty"`
	Erased bool `json:"er,omitempty"` // it was about an erased person: the ID is nobody's
}

func (c *chunk) scope() scope { return scope{c.Workspace, c.Connection, c.Sync} }

func (c *chunk) encode() ([]byte, error) { return json.Marshal(c) }

func decodeChunk(b []byte) (*chunk, error) {
	var c chunk
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fault.New("engine: read message", fault.Invalid, "unreadable_message", "the message is not one of ours")
	}
	if c.V < 1 || c.V > chunkFormat {
		return nil, fault.New("engine: read message", fault.Invalid, "unknown_format",
			"the message was written by a newer version of Lockstep")
	}
	if c.Workspace == "" || c.Connection == "" || c.Sync == "" || !c.Side.Valid() || len(c.Hints) == 0 || c.ID == "" {
		return nil, fault.New("engine: read message", fault.Invalid, "unreadable_message", "the message lacks a part")
	}
	return &c, nil
}
