package crm

// Identifiers that must not be mixed have types of their own. Those we make
// are prefixed and sort by time (con_…, acc_…, run_…); those of apps are opaque.
type (
	// WorkspaceID names a tenant; every stored key starts with it.
	WorkspaceID string
	// AccountID names one authorised login to an app (acc_…).
	AccountID string
	// ConnectionID names a connection (con_…).
	ConnectionID string
	// SyncID names a sync inside its connection; chosen by the admin.
	SyncID string
	// RunID names one pull, resync, webhook batch, retry or apply (run_…).
	RunID string
	// PlanID names a stored plan (pln_…).
	PlanID string
	// AppID names an app: "hubspot", "salesforce".
	AppID string
	// RecordID is an app's own identifier of a record; opaque, case-sensitive.
	RecordID string
	// MappingID names a mapping inside its sync; chosen by the admin.
	MappingID string
)

// Side is one of the two ends of a connection.
type Side string

// The two sides.
const (
	Left  Side = "left"
	Right Side = "right"
)

// Sides lists both, in the order in which they are worked.
var Sides = [2]Side{Left, Right}

// Other returns the opposite side.
func (s Side) Other() Side {
	if s == Left {
		return Right
	}
	return Left
}

// Valid reports whether s is left or right.
func (s Side) Valid() bool { return s == Left || s == Right }

// Index returns 0 for left and 1 for right.
func (s Side) Index() int {
	if s == Right {
		return 1
	}
	return 0
}

// Way is a direction of travel: towards the right or towards the left side.
type Way string

// The two ways.
const (
	ToRight Way = "to_right"
	ToLeft  Way = "to_left"
)

// WayTo returns the way that writes side s.
func WayTo(s Side) Way {
	if s == Right {
		return ToRight
	}
	return ToLeft
}

// Source returns the side a way reads from.
func (w Way) Source() Side {
	if w == ToRight {
		return Left
	}
	return Right
}

// Target returns the side a way writes to.
func (w Way) Target() Side { return w.Source().Other() }

// PerWay holds one value for each way.
type PerWay[T any] struct {
	ToRight T `json:"to_right"`
	ToLeft  T `json:"to_left"`
}

// Get returns the value for w.
func (p PerWay[T]) Get(w Way) T {
	if w == ToRight {
		return p.ToRight
	}
	return p.ToLeft
}

// PerSide holds one value for each side.
type PerSide[T any] struct {
	Left  T `json:"left"`
	Right T `json:"right"`
}

// Get returns the value of side s.
func (p PerSide[T]) Get(s Side) T {
	if s == Left {
		return p.Left
	}
	return p.Right
}

// Set replaces the value of side s.
func (p *PerSide[T]) Set(s Side, v T) {
	if s == Left {
		p.Left = v
	} else {
		p.Right = v
	}
}
