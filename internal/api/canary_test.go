package api

import (
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// canary is a field value that viewers, logs and problems must never show.
const canary = "Zuzana Kanárik"

func canaryDiffs() []engine.Diff {
	return []engine.Diff{
		{Side: crm.Right, Field: "LastName", Before: crm.NullValue(), After: crm.TextValue(canary), Rule: "left_changed"},
	}
}

func canaryFields() crm.PerSide[crm.Fields] {
	f := crm.Fields{"lastname": crm.TextValue(canary), "phone": crm.NullValue()}
	return crm.PerSide[crm.Fields]{Left: f, Right: f}
}

func canaryEntry() engine.Entry {
	return engine.Entry{
		ID: "log_1", Connection: "con_x", Run: "run_x", Side: crm.Left, Record: "1", Outcome: crm.Failed,
		Code:  "invalid_value",
		Diffs: canaryDiffs(), URL: "https://api.example.com/x?q=" + canary, Request: canary, Response: canary,
	}
}
