// Package account keeps the authorised logins to apps: what an admin entered
// or consented to, sealed; our OAuth clients; the tokens, refreshed once for
// all workers; and the addresses at which apps call us.
//
// Terms: an account belongs to a workspace and is one login to one app. Its
// credential is what an admin entered and, for OAuth, the grant the app gave;
// both live sealed in one item, bound to workspace, account and purpose. A
// grant that the app has revoked is dead: nothing asks the app again until an
// admin authorises the account anew. A hook is the address of an account at
// which its app calls us; it is known by the hash of its token.
//
// Guarantees: nothing secret is ever returned except through secret.Text;
// accounts of another workspace answer NotFound; at most one refresh per
// expiry across processes, each new pair stored before its first use; a state
// of the OAuth flow works once; a flow that is refused, cancelled or fails
// leaves nothing behind.
//
// All errors are *fault.Error or wrap one, with messages that an admin may see.
package account
