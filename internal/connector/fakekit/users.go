package fakekit

import "net/http"

// UserChange is what the knob /_fake/users/{id} makes of a user of the app: one
// who is not there yet comes. Without active they can be assigned no more.
type UserChange struct {
	Email  string `json:"email" doc:"\"\" = as it is"`
	Active bool   `json:"active"`
}

// UserKnob lets a test add a user, change the address, or deactivate one.
func UserKnob(change func(id string, in UserChange) error) Knob {
	return NewKnob("PUT", "/_fake/users/{id}", "Add a user, change the address, or deactivate one.",
		func(r *http.Request, in UserChange) (Done, error) {
			return Done{OK: true}, change(r.PathValue("id"), in)
		})
}
