package fakekit

// UserChange is what the knob /_fake/users/{id} makes of a user of the app: one
// who is not there yet comes. Without active they can be assigned no more.
type UserChange struct {
	Email  string `json:"email" doc:"\"\" = as it is"`
	Active bool   `json:"active"`
}
