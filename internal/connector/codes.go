package connector

// The codes that connectors, their kits and decorators give, each of the error
// dictionary (docs/errors.md). Nobody adds one elsewhere: what is new about an
// app is either one of these facts or a new line here and in the dictionary.
const (
	// Of the account.
	CodeReauthorize = "reauthorization_required"
	CodePermission  = "missing_permission"
	CodeClient      = "invalid_client" // our OAuth client
	CodeConfig      = "invalid_config"
	CodeBaseURL     = "base_url_required"
	CodeMoving      = "account_moving"
	CodeFormat      = "unknown_format" // what is kept of the account is of a newer version

	// Of calls.
	CodeUnsupported = "unsupported"
	CodeRate        = "rate_limited"
	CodeQuota       = "quota_exhausted"
	CodeMalformed   = "malformed_answer"
	CodeTimeout     = "query_timeout"
	CodeVersion     = "version_retired"
	CodeRequest     = "invalid_request"  // of ours: it can never succeed
	CodeTooLarge    = "batch_too_large"  // more than the port's limit
	CodeMixed       = "mixed_batch"      // of several kinds of writes
	CodePosition    = "cursor_malformed" // not one that a listing returned
	CodeExpired     = "cursor_expired"   // the app has forgotten where a listing stood
	CodeMatches     = "too_many_matches"
	CodeQuoted      = "literal_without_quotes" // of a search, for a field of numbers

	// Of records and fields.
	CodeRejected  = "rejected" // without more reason than that
	CodeObject    = "unknown_object"
	CodeField     = "field_missing"
	CodeReadOnly  = "read_only_field"
	CodeRequired  = "required_field_missing"
	CodeValue     = "invalid_value"
	CodeTooLong   = "value_too_long"
	CodeOption    = "option_not_allowed"
	CodeRule      = "rejected_by_rule"
	CodeExists    = "already_exists"
	CodeDuplicate = "duplicate_rule" // of the account: it takes the record for a double
	CodeLocked    = "record_locked"
	CodeBatch     = "batch_refused" // because of another record
	CodeStorage   = "storage_full"
	CodeKey       = "invalid_key" // of an upsert
	CodeName      = "invalid_name"
	CodeNotTold   = "not_told" // of an app that cannot be asked: nothing was told of it

	// Of webhooks.
	CodeNoSecret = "no_secret"
	CodeForged   = "forged_webhook"
	CodeStale    = "stale_delivery"
	CodeForeign  = "foreign_delivery" // of another account
	CodeDelivery = "malformed_webhook"
)
