package api

import (
	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/engine"
)

// requestCodes are about the request as such.
var requestCodes = []codeRow{
	{
		CodeInternal, "something went wrong on our side", EffectRequest,
		"try again; when it stays, give the operator the request_id",
	},
	{
		"other", "something went wrong on our side", EffectRequest,
		"try again; when it stays, give the operator the request_id",
	},
	{
		"internal_error", "something went wrong on our side", EffectWaits,
		"it is tried again; when it stays, give the operator the request_id",
	},
	{
		CodeInvalidParameter, "a parameter in the path or the query is unknown or malformed", EffectRequest,
		"see errors[].parameter and the description of the call",
	},
	{
		CodeMalformedJSON, "the body is not JSON", EffectRequest,
		"send one JSON value; errors[].pointer says where reading stopped",
	},
	{
		CodeMalformedYAML, "the body is not YAML that can be read as JSON", EffectRequest,
		"use plain keys, lists, texts and numbers; anchors, tags and several documents are not read",
	},
	{
		CodeBadUTF8, "the body is not UTF-8 text", EffectRequest,
		"encode the body as UTF-8; \\u escapes come in whole characters",
	},
	{CodeTooDeep, "objects and lists are nested more than 32 deep", EffectRequest, "flatten the document"},
	{CodeTooManyValues, "the body holds more than 100,000 values", EffectRequest, "send it in parts"},
	{
		CodeShareSpent, "the caller has spent its share of requests, app calls, readings, streams or exports", EffectRequest,
		"wait as long as Retry-After says; the share grows back by itself",
	},
	{
		CodeLoginsSpent, "too many requests with wrong tokens came from this address", EffectRequest,
		"wait as long as Retry-After says, and send a valid key; keys that were used within ten minutes go on working",
	},
	{
		CodeViewerAsks, "what a viewer asks for is not stored, and a viewer causes no call to an app", EffectRequest,
		"let a member or an admin look once; it is stored from then on",
	},
	{
		CodeDuplicateKey, "a key stands twice in one object", EffectRequest,
		"remove one of them; which one counts would be a guess",
	},
	{CodeTrailingData, "there is something behind the JSON value", EffectRequest, "send exactly one value"},
	{
		CodeUnknownKey, "a key is not known here", EffectRequest,
		"check the spelling against the description; unknown keys are refused so that no setting is lost in silence",
	},
	{CodeMissingKey, "a required key is missing", EffectRequest, "add it"},
	{CodeWrongType, "a value has the wrong JSON type", EffectRequest, "see errors[].detail for the type expected"},
	{CodeWrongLength, "a text or list is too short or too long", EffectRequest, "see errors[].detail for the bounds"},
	{CodeUnknownValue, "a value is not one of those allowed", EffectRequest, "see errors[].detail for the values allowed"},
	{
		CodeServerOwned, "the key belongs to the server and cannot be set", EffectRequest,
		"leave it out, or send it back unchanged",
	},
	{CodeBodyRequired, "the call needs a body", EffectRequest, "send a JSON body"},
	{CodeBodyTooLarge, "the body is larger than 1 MiB", EffectRequest, "send less"},
	{
		CodeBadMediaType, "the body's media type is not accepted here", EffectRequest,
		"send Content-Type: application/json without a content encoding",
	},
	{CodeNotAcceptable, "none of the accepted media types can be given", EffectRequest, "accept application/json"},
	{CodeBadAddress, "path or query are not well formed", EffectRequest, "percent-encode UTF-8 text"},
	{
		CodeHostNotAllowed, "the request was sent to a host name that is not ours", EffectRequest,
		"use the address that the program prints, or allow the name in the configuration",
	},
	{
		CodeNotFound, "there is no such thing, or not for this caller", EffectRequest,
		"check the ID and the workspace of the key",
	},
	{CodeMethodNotAllowed, "the path exists, but not with this method", EffectRequest, "see the header Allow"},
	{"unauthorized", "the request has no valid bearer token", EffectRequest, "send Authorization: Bearer with an API key"},
	{
		access.CodeNoAccess, "the user is logged in, but belongs to no workspace or has no role in it", EffectRequest,
		"ask the operator to set the user's workspace and role",
	},
	{"token_expired", "the API key has expired", EffectRequest, "ask an admin for a new key"},
	{
		CodeRoleTooLow, "the role of the key is not enough for this call", EffectRequest,
		"use a key with the role named in the detail",
	},
	{
		CodeAccessDenied, "the connection's access rule does not let this user in", EffectRequest,
		"ask an admin to change the connection's access or the user's roles",
	},
	{"denied", "the credentials lack a right", EffectRequest, "see the detail"},
	{
		CodePrecondition, "a change needs the version it is based on", EffectRequest,
		"read the resource and send its ETag as If-Match",
	},
	{
		CodeStaleVersion, "the resource was changed meanwhile", EffectRequest,
		"read it again, apply the change again, send the new ETag",
	},
	{
		CodeNotifyOff, "nobody is to hear of the connection's alerts", EffectRequest,
		"set notify.enabled to true, with a user or a webhook",
	},
	{
		CodeConfirmName, "deleting needs the exact name of what is deleted", EffectRequest,
		"add ?confirm= with the exact name; it cannot be undone. Records in both apps stay, but with a field what they hold " +
			"in it goes",
	},
	{
		engine.CodeIdentityRequired, "an erasure has to say who is to be erased", EffectRequest,
		"name an email, a phone or a record",
	},
	{
		engine.CodeInvalidIdentity, "the address, number or record named identifies nobody", EffectRequest,
		"see errors[].pointer; send one e-mail address, a phone number with its country code, or account, object and id " +
			"of a record",
	},
	{engine.CodeErasureRunning, "the erasure is under way", EffectRequest, "wait until GET /v1/erasures/{id} says done"},
	{CodeUnknownCode, "there is no such code", EffectRequest, "list them with GET /v1/codes"},
	{CodeConnectionNeeded, "a member has to name the connection", EffectRequest, "add the parameter connection"},
	{CodeBusy, "others are changing the same thing right now", EffectRequest, "try again in a moment"},
	{"contended", "others are changing the same thing right now", EffectRequest, "try again in a moment"},
	{
		"idempotency_running", "the first request with this Idempotency-Key has no answer yet", EffectRequest,
		"wait and repeat the request",
	},
	{
		"idempotency_mismatch", "the Idempotency-Key was used for another request", EffectRequest,
		"use a new key for a new request",
	},
	{
		"idempotency_lost", "the request was carried out, but its answer cannot be repeated", EffectRequest,
		"read what it changed",
	},
	{"invalid", "the request can never succeed as it is", EffectRequest, "see the detail"},
	{"invalid_request", "the request can never succeed as it is", EffectRequest, "see the detail"},
	{
		CodeFieldMapped, "connections name the field that is to be deleted", EffectRequest,
		"take it out of them first: errors[].detail says of which, and where it stands",
	},
	{"unsupported", "the app cannot do this", EffectRequest, "see the app's abilities in GET /v1/apps"},
	{"throttled", "a limit of the app or of our storage is reached", EffectWaits, "wait as long as Retry-After says"},
	{"unavailable", "the app or our storage cannot be reached", EffectWaits, "try again later"},
	{
		"no_webhook_secret", "the connection's outgoing webhook has no secret to sign with", EffectWaits,
		"make one: POST /v1/connections/{id}/notify/secret; what waits is sent then",
	},
	{
		"mail_address", "the address of a user who is to hear of alerts is none", EffectWaits,
		"correct user.email of the key",
	},
	{
		"mail_refused", "the mail server did not take a mail about an alert", EffectWaits,
		"look at the server's log; it is tried again for three days",
	},
	{
		"mail_unreachable", "the mail server cannot be reached, or refuses the login", EffectWaits,
		"compare --smtp-server, --smtp-tls and the login with the server's; it is tried again for three days",
	},
	{"cursor_malformed", "the cursor does not belong to this list", EffectRequest, "start again without a cursor"},
	{
		CodeForgedWebhook, "a webhook delivery is not authentic, too old or from the future", EffectRequest,
		"compare the account's webhook_secret with the app's signing secret, and the address in the app with GET …/webhooks",
	},
	{
		CodeHooksRefused, "deliveries of an app's webhooks were refused within the last day", EffectNone,
		"see webhooks in the status, or GET …/webhooks: each reason is there with its remedy; changes arrive with the " +
			"next pull meanwhile",
	},
	{"malformed_webhook", "a webhook delivery cannot be read", EffectRequest, "check which events the app sends"},
	{
		CodeTooManyEvents, "a webhook delivery holds more than 1,000 events", EffectRequest,
		"let the app send smaller batches",
	},
}

// documentCodes are about settings that are not saved.
var documentCodes = []codeRow{
	{
		CodeInvalidDocument, "the document has problems", EffectDocument,
		"see errors[]; POST …/validate lists all of them without saving",
	},
	{
		CodeUnsupportedSetting, "the setting is known but not carried out by this release", EffectDocument,
		"set it as errors[].detail says; it is refused so that nobody relies on it",
	},
	{
		CodeSettingLocked, "the app fixes this setting", EffectDocument,
		"leave it as GET …/suggestions lists it under locked",
	},
	{
		CodeLockedSettings, "a setting cannot be changed, because an app fixes it", EffectNone,
		"a warning: GET …/suggestions lists it under locked, with the reason",
	},
	{
		CodeFieldInUse, "another connection writes the same field of the same object of the same account", EffectDocument,
		"set \"shared\": true on the later connection, or remove the mapping here or there, or change a direction",
	},
	{
		CodeFieldShared, "another connection writes the same field of the same object of the same account, and this one " +
			"or that one says shared: what either brings is news to the other", EffectNone,
		"nothing; of connections that form a circle, take the field out of one",
	},
	{
		CodeFieldTwice, "another sync of this connection writes the same field of the same object", EffectDocument,
		"remove one of the two mappings or change a direction",
	},
	{
		CodeSameObject, "both sides are the same object of the same account", EffectDocument,
		"choose another account or object on one side",
	},
	{CodeUnknownAccount, "there is no such account", EffectDocument, "create the account first"},
	{CodeUnknownObject, "the account has no such object", EffectDocument, "choose one of GET /v1/accounts/{id}/objects"},
	{
		CodeRequiredUnmapped, "the app demands a field on creation that nothing fills", EffectDocument,
		"map it, stamp it, or choose a behaviour that does not create",
	},
	{
		CodeDeleteIsFinal, "deleting a connection is final, and no way to pause it", EffectNone,
		"a warning: switch the connection off or pause it to stop it for a while",
	},
	{
		CodeBothWritten, "a start writes to both apps", EffectNone,
		"a warning: look at a plan first; begin with one direction, or with few records",
	},
	{
		CodePresetLines, "mappings came with a preset or a suggestion", EffectNone,
		"a warning: leave them as they are unless you need to change them",
	},
	{
		CodeRequired, "an app demands fields to create a record", EffectNone,
		"a warning: see that they have values; a record without one fails by the field's name",
	},
	{
		CodeExactOption, "an app takes the exact name and case of an option and nothing else", EffectNone,
		"a warning: map values to options where the names differ",
	},
	{
		CodeMayNotFit, "two mapped fields have different types", EffectNone,
		"a warning: a value that does not fit fails its field at run time; map fields of one type where you can",
	},
	{
		CodePasswordField, "a mapped field is a person's own login password", EffectNone,
		"a warning: map it one way with write_once",
	},
	{
		CodeInertNotes, "system notes have no effect while notes do not sync", EffectNone,
		"a warning: switch activities on, or leave system_notes off",
	},
	{
		CodeOneWayOnly, "an app does not let the reference of an association be written", EffectNone,
		"nothing, if that direction is enough; else give the account's user the right to write the field",
	},
	{
		CodeNewestGuess, "the conflict policy newest is a heuristic", EffectNone,
		"a warning: it goes by the time of the whole record; choose a side or review where it matters",
	},
	{
		CodeNoTimes, "an app does not say when a record was changed, and the conflict policy newest goes by that",
		EffectDocument, "use left, right or review",
	},
	{
		CodeKeyOff, "the mapping of a match step's fields is switched off", EffectDocument,
		"switch it on, or take the step away first",
	},
	{
		CodeIDMapped, "a field that holds the ID of a match step is mapped otherwise, too", EffectDocument,
		"choose another field for the mapping",
	},
	{
		CodeIDNotMapped, "the two fields of an ID step are not mapped to each other", EffectDocument,
		"add the mapping, or let one side of the step be \"$id\"",
	},
	{
		CodeKeyNotUnique, "a match step goes by a field that several records of the app can share", EffectNone,
		"a warning: records that share a value are listed as duplicates and not synced; match by a unique field where " +
			"there is one",
	},
	{CodeTooMany, "there are too many of them", EffectDocument, "see errors[].detail for the limit"},
	{
		CodeUnknownUser, "the user chosen to hear of alerts is none of the workspace's, or not active", EffectDocument,
		"choose an active one of GET /v1/users",
	},
	{
		CodeNobodyToTell, "alerts are to be told, and neither a user nor a webhook is chosen", EffectDocument,
		"choose one, or set notify.enabled to false",
	},
	{
		CodeNotifyWebhook, "messages about alerts may not be sent to this address", EffectDocument,
		"use https on port 443 and a public host without a query, or have the operator allow host:port with --allow-host",
	},
	{CodeUnknownPreset, "there is no such preset", EffectDocument, "choose one of GET /v1/presets"},
	{CodeDeleting, "the connection is being deleted", EffectRequest, "nothing can be changed any more; create a new one"},
	{
		CodeIncomplete, "the connection is a draft that has problems, and this needs a whole one", EffectRequest,
		"GET the connection lists its problems: settle them, then try again",
	},
	{
		CodeStepMissing, "a step of the set-up was not done yet", EffectWaits,
		"do it before the start: errors[].pointer says where",
	},
	{
		CodeDoesNothing, "a connection that was started would do nothing any more", EffectDocument,
		"switch it off (enabled: false), pause it or delete it; of a sync, set its direction to off",
	},
	{
		CodeNotSearched, "a match step goes by a field by which the app cannot be asked for records", EffectDocument,
		"match by a field that it searches: errors[].detail names them",
	},
	{"missing_id", "a part of the document needs an ID", EffectDocument, "give it one that is unique within its list"},
	{"duplicate_id", "an ID is used twice", EffectDocument, "choose another"},
	{"missing_field", "a field has to be named", EffectDocument, "name a field of the object"},
	{
		"unknown_field", "the object has no such field", EffectDocument,
		"choose one of GET /v1/accounts/{id}/objects/{object}/fields; ?refresh=true reads them anew",
	},
	{
		"read_only_field", "the app refuses to write the field", EffectDocument,
		"map another field, or in the other direction only; of a record: give the app's user the right to edit the field",
	},
	{"field_mapped_twice", "two mappings write the same field", EffectDocument, "switch one off or change its direction"},
	{
		"field_is_mapped", "a stamp or written-back ID uses a field that is mapped", EffectDocument,
		"give the mapping a default value instead",
	},
	{"mapping_cycle", "mappings feed each other in a ring", EffectDocument, "use one mapping with direction both"},
	{
		"incompatible_types", "the two fields' types do not fit", EffectDocument,
		"map a field of a fitting type or choose a transform",
	},
	{
		"not_a_reference", "the field of an association names no record", EffectDocument,
		"choose a field of the type reference, or map the field",
	},
	{
		"reference_to_other_object", "the field of an association names records of another object than its sync is about",
		EffectDocument, "choose another field, or the sync of that object",
	},
	{
		"unknown_sync", "the sync of an association is none of this connection", EffectDocument,
		"name the sync whose records the two fields name; it may be the same one",
	},
	{
		"not_round_trip", "the transform cannot be reversed, so it cannot travel both ways", EffectDocument,
		"set a one-way direction or another transform",
	},
	{"wrong_number_of_fields", "the transform needs another number of fields", EffectDocument, "see errors[].detail"},
	{"unknown_transform", "there is no such transform", EffectDocument, "see errors[].detail for the list"},
	{"unknown_direction", "there is no such direction", EffectDocument, "use both, to_right, to_left or off"},
	{"unknown_policy", "there is no such policy", EffectDocument, "see errors[].detail for the list"},
	{"unknown_conflict", "there is no such conflict policy", EffectDocument, "use left, right, newest or review"},
	{"unknown_country", "the country is not known", EffectDocument, "use two letters of ISO 3166-1, such as US"},
	{
		"unknown_behavior", "there is no such behaviour", EffectDocument,
		"use create_and_update, create_only, update_only or nothing",
	},
	{"unknown_schedule", "the schedule is not offered", EffectDocument, "use manual, 1m, 5m, 10m, 15m, 30m or 60m"},
	{"unknown_initial", "there is no such initial sync", EffectDocument, "use all or changes_only"},
	{"unknown_delete_policy", "there is no such delete policy", EffectDocument, "use ignore, tag or archive"},
	{"unknown_time_zone", "the time zone is not known", EffectDocument, "use an IANA name such as America/New_York"},
	{"unknown_match_step", "there is no such match step", EffectDocument, "use id, any_key or all_keys"},
	{"unknown_choice", "the value is not one of those offered", EffectDocument, "see errors[].detail for the list"},
	{"missing_tag", "the policy needs a tag", EffectDocument, "name the tag"},
	{
		"missing_match_step", "a sync that creates needs a way to find twins", EffectDocument,
		"add a match step, for example by e-mail",
	},
	{"missing_pairs", "a match step needs pairs of fields", EffectDocument, "add at least one pair"},
	{
		"wrong_id_step", "a match step by ID needs a field on one side and $id on the other", EffectDocument,
		"set left and right so",
	},
	{"transform_options", "the transform's options are not right", EffectDocument, "see errors[].detail"},
	{"default_does_not_fit", "the default value does not fit the field", EffectDocument, "choose another default"},
	{"unknown_operator", "there is no such filter operator", EffectDocument, "see errors[].detail for the list"},
	{
		"operator_does_not_fit", "the operator does not work on the field's type", EffectDocument,
		"choose another operator or field",
	},
	{"wrong_value", "the filter's value is missing or of the wrong kind", EffectDocument, "see errors[].detail"},
	{
		"ambiguous_filter", "a filter node is empty or several things at once", EffectDocument,
		"use exactly one of all, any, not, or field with op",
	},
	{"filter_too_large", "the filter is too deep or has too many clauses", EffectDocument, "split it into several rules"},
	{
		"unknown_action", "there is no such rule action", EffectDocument,
		"use add_tag, remove_tag, add_to_list or set_field",
	},
	{
		"rule_incomplete", "a rule's undo or other way around lacks what it builds on", EffectDocument,
		"undo needs a filter and an action; the other way around a rule of one way with a filter, a tag that it adds, an " +
			"exclusion " +
			"mark that the filter leaves out with not_contains, and a sync that writes both apps",
	},
}

// recordCodes say what became of records and fields.
var recordCodes = []codeRow{
	{"taken_by_other_sync", "a record that two syncs of a connection could take goes to the first of them in the " +
		"document; this one leaves it alone", EffectNone, "put filters into the syncs, or the one that is to have it first"},
	{
		"direction_closed", "no open direction leads from this record", EffectNone,
		"change the direction of the sync or the mapping, if it should travel",
	},
	{
		"filtered_out", "no rule lets the record through", EffectRecord,
		"change the rule or the record, if it should travel; explain shows the clauses",
	},
	{
		"no_identity_key", "the record has nothing to find its twin by, so it is left out to avoid duplicates", EffectRecord,
		"fill in one of the match fields, or set avoid_duplicates to false",
	},
	{
		"behavior_create_only", "the record exists on the other side and the behaviour only creates", EffectRecord,
		"choose create_and_update, if it should be updated",
	},
	{
		"behavior_update_only", "the record does not exist on the other side and the behaviour only updates", EffectRecord,
		"choose create_and_update, if it should be created",
	},
	{"behavior_nothing", "the behaviour of this direction is to do nothing", EffectRecord, "choose another behaviour"},
	{
		"required_field_missing", "the app demands a field on creation that the record leaves blank", EffectRecord,
		"fill in the field, or give its mapping a default value",
	},
	{
		"field_changed", "the app made another kind of field of it: of another type, read-only, or without an option that a " +
			"mapping names; the mapping is held as if the field were gone, and everything else goes on",
		EffectField, "see held[] in the sync's status: what the field was and is, and a patch where one is known; mend the " +
			"mapping, or change the field back in the app",
	},
	{
		"field_missing", "the app no longer has the field, or does not show it: archived, deleted, renamed, or without " +
			"the right to see it; " +
			"what uses it is held, nothing is written, left out or made because of it, and it goes on by itself when the " +
			"field is back",
		EffectField, "bring the field back in the app or give the account's user the right to see it; if it is gone for " +
			"good, name another in the settings",
	},
	{
		"field_failed", "a value does not fit its field; the other fields were synced", EffectField,
		"correct the value; the entry names the field",
	},
	{
		"conflict", "both sides changed the same field, or somebody else was faster", EffectRecord,
		"resolve the record, or read again and repeat",
	},
	{
		"switched_off", "the connection or the sync is switched off", EffectWaits,
		"switch it on; what changed meanwhile is caught up",
	},
	{
		"ends_changed", "the sync was joined to other accounts or objects: what was known of the records of before is being forgotten",
		EffectWaits, "nothing; it goes on by itself within minutes, with a first run over everything",
	},
	{
		"pairs_arriving", "pairs that were brought to the draft are linked first", EffectWaits,
		"nothing; it goes on once they are linked. To do without them, cancel the runs that hold them",
	},
	{
		"ambiguous_match", "more than one record could be the twin", EffectRecord,
		"link the right one or merge them in the app",
	},
	{
		"key_conflict", "the keys of the record point to different records", EffectRecord,
		"correct the keys, or link by hand",
	},
	{
		"keys_disagree", "the only record that fits by one key holds another key otherwise", EffectRecord,
		"correct the keys, or link by hand",
	},
	{
		"crowded_key", "more than two records of one side hold the record's phone, domain or name, so it identifies " +
			"nobody, and there is no other key", EffectRecord,
		"fill in another match field, link by hand, or set avoid_duplicates to false",
	},
	{
		"match_missing", "the record names a twin that does not exist", EffectRecord,
		"correct the ID, or set on_missing to next",
	},
	{
		engine.CodeToldOnly, "the app cannot be asked for its records: what it told since its webhook was set up, and " +
			"what was written to it, is all that is known", EffectNone,
		"nothing; what was there before comes when it is next changed in the app, and what is deleted there is not noticed",
	},
	{
		CodeNothingTold, "the app cannot be asked for its records, and has told nothing yet", EffectWaits,
		"set the webhook up in the app with the address of GET /v1/connections/{id}/webhooks, and change a record there",
	},
	{
		connector.CodeNotTold, "the app cannot be asked for its records, and has told nothing of this one", EffectRecord,
		"change the record in the app, so that it tells of it",
	},
	{
		"long_pause", "the sync stood still for longer than apps remember what was deleted", EffectWaits,
		"nothing: everything is listed once",
	},
	{
		"merged_twin", "the record it was linked to was merged into another one that has a partner of its own", EffectRecord,
		"merge this record into the survivor's partner in its app, or link it by hand; until then it is left as it is",
	},
	{"merge_followed", "records were merged in an app and the link followed the survivor", EffectRecord, "nothing"},
	{
		"merges_unsettled", "the app tells of one merge after the other and no end of them was found", EffectWaits,
		"nothing: the records are looked at again",
	},
	{
		"twin_taken", "the record on the other side that matches is linked to another one", EffectRecord,
		"merge the two in the app, or unlink the other one; when its pair ends, this record is looked at again",
	},
	{
		"duplicate_in_app", "other records of the same app have the same identity; none of them is written", EffectRecord,
		"merge them in the app, or link one by hand",
	},
	{
		"plan_stale", "the record changed since the dry run; it was left as it is", EffectRecord,
		"make a new plan, or let the sync go on",
	},
	{
		"connection_changed", "the connection was deleted, or joined to other accounts, since", EffectRequest,
		"nothing; what was asked about the accounts before cannot be done with others",
	},
	{
		"run_not_over", "the run is not over yet", EffectRequest, "wait for its end, or cancel it, then undo what it did",
	},
	{
		"undo_expired", "the log does not hold all of what the run changed any more", EffectRequest,
		"put single values back by hand; log_days of the workspace says how long the log is kept, undo_until of a run until " +
			"when it can be undone",
	},
	{
		"not_undoable", "the run wrote nothing to either app: it only made a plan", EffectRequest,
		"undo the run that applied the plan",
	},
	{
		"nothing_to_restore", "the log entry tells of no such field as written", EffectRequest,
		"take the entry and the field from GET …/records/{side}/{id}/history",
	},
	{
		"edited_since", "what the run wrote was edited since, in an app or by a later run, and is kept", EffectField,
		"nothing, if the edit is right; else put the field back with …/records/{side}/{id}/restore",
	},
	{
		"mapping_gone", "the sync does not map the field any more, so it is not put back", EffectField,
		"map it again and make a new plan, or edit the field in its app",
	},
	{"undo_write_once", "the field is written once and never again, so it is not put back", EffectField, "edit it in its app"},
	{
		"undo_not_clearable", "the field was blank before, and its app demands a value", EffectField,
		"nothing; give it another value in its app",
	},
	{
		"undo_secret", "the value is in no log, as those of passwords, so it is not put back", EffectField,
		"set it in its app",
	},
	{
		"undo_rule_action", "an action of a rule wrote the field; it follows the rule's filter and is not put back", EffectField,
		"change the rule, or let it take its actions back with undo",
	},
	{
		"undo_merge", "the record was merged with another one, which cannot be undone", EffectRecord,
		"nothing; what the survivor holds can be edited in its app",
	},
	{
		"undo_deletion", "what is deleted or archived is not made again", EffectRecord,
		"restore the record in its app: it is then in step with its twin again",
	},
	{
		"undo_pair_gone", "the two records are no pair any more, or the record is not linked", EffectRecord,
		"link them again, then undo, or edit the fields in their apps",
	},
	{
		"undo_log_gone", "the log does not hold the change any more", EffectRecord,
		"edit the fields in their apps",
	},
	{
		"undo_no_archive", "the run made the record, and its app has no way to archive one", EffectRecord,
		"delete it in its app if it is not wanted",
	},
	{
		"create_undone", "a run made the twin, and an undo of that run archived it; nobody is made in its place", EffectNone,
		"nothing; restore the twin in its app, or link the record to another one, to have it synced again",
	},
	{"partner_not_found", "the record that was named as the twin does not exist", EffectRecord, "name one that does"},
	{
		"record_deleted", "the record was deleted, and it had no twin", EffectRecord,
		"nothing; restore it in the app to have it synced again",
	},
	{
		"deleted_on_left", "the left record was deleted; the right one stays, and no new one is made for it", EffectRecord,
		"nothing; restore it in the app to have it synced again, or delete the other one too",
	},
	{
		"deleted_on_right", "the right record was deleted; the left one stays, and no new one is made for it", EffectRecord,
		"nothing; restore it in the app to have it synced again, or delete the other one too",
	},
	{
		"identity_in_flight", "another record with the same identity is just being created on the other side", EffectWaits,
		"nothing",
	},
	{
		"identity_taken", "another record with the same identity was created on the other side", EffectWaits,
		"nothing; if it stays, two records of one side have one identity: merge them in the app",
	},
	{"claim_contested", "two pieces of work met at one identity", EffectWaits, "nothing"},
	{
		"twin_in_flight", "the twin of the record may have been created just now, and cannot be found yet", EffectWaits,
		"nothing",
	},
	{"twin_vanished", "the twin that was found was gone when it was read", EffectWaits, "nothing"},
	{
		"duplicate", "several records of one side have the same identity", EffectRecord,
		"merge them in the app, or link one by hand",
	},
	{"not_a_number", "the value is no number", EffectField, "correct the value"},
	{"not_a_boolean", "the value is neither true nor false", EffectField, "correct the value"},
	{"not_a_date", "the value is no date", EffectField, "correct the value, for example 2026-01-31"},
	{
		"not_a_datetime", "the value is no date with time", EffectField,
		"correct the value, for example 2026-01-31T12:00:00Z",
	},
	{"not_an_email", "the value is no e-mail address", EffectField, "correct the value"},
	{"invalid_phone", "the value is no valid phone number; it stays the text that it is, is compared by its digits and " +
		"identifies nobody", EffectNone, "correct the value, with country code, or set the connection's default country"},
	{
		"unknown_owner", "the app has no active user with the owner's e-mail address: nobody is assigned there, and " +
			"everything else of the record is synced", EffectNone,
		"add the user in the app, or change the owner; it is assigned when either changes, by a resync, or within a day",
	},
	{
		"partner_not_linked", "the record that the field names has no linked twin in the other app: the field is left as it " +
			"is there, and everything else of the record is synced", EffectNone,
		"it is written by itself when that record is linked; look there why it is not, or choose another",
	},
	{
		CodeOfItsOwn, "notes, tasks, calls and meetings are synced with the records that they are about", EffectDocument,
		"name them in activities of the sync of those records",
	},
	{
		CodeNotActivity, "the object holds no notes, tasks, calls or meetings, or the app has none that are synced",
		EffectDocument, "choose an object of GET /v1/accounts/{id}/objects that has activity",
	},
	{
		CodeNotAbout, "the activities are not about records of the sync's object, or name them in another field",
		EffectDocument, "leave parent out, or choose activities that are about the object",
	},
	{
		"activity_without_parent", "the activity is about no record of the sync", EffectRecord,
		"associate it in its app with a record that is synced",
	},
	{
		"activity_made_before", "the activity was made before activities were switched on, and only new ones are synced",
		EffectRecord, "set activities.existing to true and start a resync, to sync the older ones too",
	},
	{
		"parent_excluded", "the record that the activity is about is left out of its sync, or was deleted", EffectRecord,
		"see why that record is left out; the activity is synced by itself once the record is linked",
	},
	{
		"unknown_option", "the field has no such option", EffectField,
		"add the option in the app or correct the value; the entry lists the options",
	},
	{
		"unmapped_option", "the option map gives the name another meaning", EffectField,
		"complete the option map of the mapping",
	},
	{"value_too_long", "the value has more characters than the field takes", EffectField, "shorten it"},
	{
		"value_does_not_fit", "the field cannot hold the value so that it reads back the same", EffectField,
		"correct the value or map another field",
	},
	{"one_way", "the mapping only reads this field", EffectField, "nothing, or change the direction of the mapping"},
	{
		"already_exists", "the app has another record with this unique value: a record that was to be created is looked " +
			"for again, a field that was to be changed is left as it is", EffectField,
		"correct the value in one of the two records, or merge them in the app; the field is tried again when it changes, " +
			"daily and by a retry",
	},
	{
		"duplicate_rule", "a duplicate rule of the app takes the record for a double, so it is not written; it is tried " +
			"again when it changes, daily and by a retry", EffectRecord,
		"merge the records in the app, change its rule, or let the account save past alert rules: PATCH /v1/accounts/{id} " +
			"with save_duplicates true",
	},
	{"rejected_by_rule", "a rule that an admin of the app made refuses the value, or, where it names no field, the " +
		"record in this direction", EffectField, "correct what the rule asks for; the entry shows the app's answer"},
	{
		"changed_by_app", "the app stored something else than was written; where it kept its old value, a person decides",
		EffectField, "nothing, or resolve the record; the entry shows both values",
	},
	{
		"write_loop", "several connections join the accounts in a circle, and the field went round in it: it is written " +
			"on neither side until both hold the same, or a person decides", EffectField,
		"take the field out of one of the connections that form the circle, then POST …/records/{side}/{id}/unfreeze, or " +
			"resolve the record",
	},
	{"storage_full", "the app has no room for more data", EffectRecord, "make room in the app, then retry"},
	{
		"invalid_key", "a record cannot be created by the key that is set up for it", EffectRecord,
		"use a custom field with unique values to keep the other side's ID",
	},
	{"query_timeout", "a search took the app too long", EffectWaits, "nothing: it is tried again"},
	{"version_retired", "the app no longer has the version of its API that is used", EffectRecord, "update Lockstep"},
	{
		"account_moving", "the app moves the account between its data centres", EffectWaits,
		"nothing: it goes on within a day",
	},
	{
		"invalid_value", "the app refused a value; where it names no field, the record is left as it is in this direction",
		EffectField, "correct the value; the entry shows the app's answer",
	},
	{"connection_draft", "the connection was never started", EffectWaits, "start it"},
	{"connection_paused", "the connection is paused", EffectWaits, "start it; what changed meanwhile is caught up"},
	{
		"connection_halted", "the connection waits because very many records vanished at once", EffectConnection,
		"look at the status, then confirm or discard the deletions",
	},
	{
		"app_unreachable", "an app does not answer, or not sensibly; the status says which one and since when", EffectWaits,
		"nothing while the app is down: it is tried again by itself; when it is up for you, test the account",
	},
	{
		"connection_needs_authorization", "an account of the connection has to be authorised again", EffectConnection,
		"authorise the account; what waits goes on by itself",
	},
	{"paused", "the sync was switched off while it worked", EffectWaits, "nothing; it goes on when it is switched on"},
	{"sync_not_found", "the connection has no such sync", EffectRequest, "check the ID of the sync"},
	{"sync_required", "the call needs a sync", EffectRequest, "add the parameter sync"},
	{"not_running", "only a running connection can be paused", EffectRequest, "look at its status"},
	{"not_held", "the part is not held", EffectRequest, "nothing: what it maps travels; see …/held for what is"},
	{"part_not_found", "the sync has no mapping or rule of that ID", EffectRequest, "see …/held for what can be released"},
	{
		"not_halted", "no deletions, or no changes of the mapping, wait for a decision", EffectRequest,
		"look at the status of the connection",
	},
	{
		"mass_change", "within an hour very many values of one field would be replaced by a blank, or by one and the same " +
			"value: the mapping waits, the others go on", EffectWaits,
		"look at the status and at the field in both apps, then confirm or discard the changes of the mapping",
	},
	{
		CodeChoiceUnfit, "a decision about many records does not go with those that the filter names", EffectRequest,
		"decide conflicts by left or right, and what may be one record by link or apart",
	},
	{
		"pair_twice", "a record stands in more than one of the pairs that are to be linked", EffectRecord,
		"leave one of the pairs out: a record has one partner",
	},
	{
		"not_frozen", "the field of the record does not rest because it went round in a circle of connections", EffectRequest,
		"nothing is to be let go; GET …/records/{side}/{id} lists as frozen what is",
	},
	{
		"not_retryable", "only an entry with a problem can be retried", EffectRequest,
		"use …/records/{side}/{id}/sync for other records",
	},
	{
		"plan_outdated", "what decides about the sync's records was changed since the plan was made", EffectRequest,
		"make a new plan: it shows what would be done under the settings as they are now",
	},
	{
		CodeNotStarted, "to whom a change applies was said of a connection that was never started", EffectRequest,
		"leave apply out: the first run of a draft goes by initial",
	},
	{"plan_not_ready", "the plan is still being worked out, or failed", EffectRequest, "wait until its state is done"},
	{
		"other_run_open", "another run of the sync is not over yet, and one goes on at a time", EffectRequest,
		"wait for its end, or cancel it, and ask again",
	},
	{"record_unknown", "the record is not known here", EffectRequest, "check side and ID; sync it once to make it known"},
	{
		"partner_unknown", "the record to link with is not in the other app", EffectRequest,
		"check its ID; a record that was just made may need a moment",
	},
	{
		"record_gone", "the record is no longer in the app", EffectRecord,
		"nothing; if it was deleted by mistake, restore it in the app",
	},
	{
		engine.CodeErased, "the person was erased: nothing is written to or from their records, and nothing is kept of them",
		EffectRecord, "nothing; an admin can let them in again with DELETE /v1/erasures/{id}/block",
	},
	{
		"unlinked", "the pair was taken apart by a person; both records stay", EffectNone,
		"nothing; link them again if it was a mistake",
	},
	{
		"deletion_noticed", "the record was deleted in its app; the pair is unlinked and its twin stays", EffectNone,
		"nothing; it is not created again",
	},
	{
		"option_not_allowed", "the app refused a value that is none of the field's options", EffectField,
		"add the option in the app or correct the value",
	},
	{
		"record_locked", "somebody else is changing the record in the app", EffectWaits,
		"nothing: it is tried again after a second, then ever later, and with every pull after that",
	},
	{"rejected", "the app refused the record in this direction", EffectRecord, "see the entry for the app's answer"},
	{
		"batch_refused", "the app refused the whole call because of another record", EffectWaits,
		"nothing: the records are sent again by themselves",
	},
	{"stale", "the record changed since the plan was made", EffectRecord, "make a new plan"},
}

// accountCodes are about logins to apps and what the apps answer.
var accountCodes = []codeRow{
	{"account_in_use", "a connection uses the account", EffectRequest, "delete the connection first"},
	{
		account.CodeBadDocument, "the document does not describe an app", EffectRequest,
		"mend each line that is named; GET /v1/app-document-schema tells an editor the grammar",
	},
	{
		account.CodeAppInUse, "accounts use the app, and nothing else describes it", EffectRequest,
		"delete the accounts first",
	},
	{
		account.CodeHostAdded, "by this document, secrets could go to a host that they were not entered for", EffectRequest,
		"delete the app's accounts first, or give the app of the document another id",
	},
	{
		account.CodeTooManyDocuments, "the workspace has as many documents as it may", EffectRequest,
		"delete one that no account uses",
	},
	{
		"base_url_fixed", "the address of this account cannot be changed like this", EffectRequest,
		"send the credentials with the new address; the app names the address of accounts authorised in the browser",
	},
	{"base_url_required", "the app has no address of its own", EffectRequest, "give the account's base_url"},
	{
		"different_account", "the credentials belong to another account of the app", EffectRequest,
		"create a new account for them",
	},
	{"invalid_name", "the name is empty, too long or not printable", EffectRequest, "use 1 to 200 printable characters"},
	{account.CodeUnknownApp, "there is no such app", EffectRequest, "choose one of GET /v1/apps"},
	{"unknown_auth_kind", "the app is not authorised in this way", EffectRequest, "choose one of the app's auth kinds"},
	{"missing_credential", "a credential is missing", EffectRequest, "fill in the field named"},
	{"unknown_credential", "a credential is given that the app does not have", EffectRequest, "remove it"},
	{"invalid_credential", "a credential is too long or not text", EffectRequest, "check what was pasted"},
	{
		"budget_malformed", "an account's budget is not a part of what the app grants, or no number of calls in a window",
		EffectRequest, "give share from 0.01 to 1, or calls with a window of 1s to 10m, or both; an empty object lifts it",
	},
	{
		"save_duplicates_unsupported", "the app has no duplicate rules that an account may save past", EffectRequest,
		"leave save_duplicates out",
	},
	{
		"needs_consent", "the account is authorised in the browser", EffectRequest,
		"start with POST /v1/oauth/{app}/authorizations",
	},
	{
		"invalid_state", "the authorisation was not started here, is over, or was used already", EffectRequest,
		"start the authorisation again",
	},
	{
		"authorization_refused", "the authorisation was cancelled or refused in the app", EffectRequest,
		"start it again and agree in the app",
	},
	{
		"oauth_client_missing", "no OAuth client is set for this app", EffectRequest,
		"set it with PUT /v1/apps/{app}/client",
	},
	{
		"base_url_refused", "the address may not be called", EffectRequest,
		"use the app's own https address; other hosts are allowed by the operator only",
	},
	{
		"too_many_rotations", "the webhook address was changed too often", EffectRequest,
		"wait until an old address has ended",
	},
	{
		"no_secret", "webhooks come, and no secret is stored to check them with", EffectRequest,
		"give the account the app's client secret as webhook_secret, with PATCH /v1/accounts/{id}",
	},
	{
		"stale_delivery", "webhooks come that are older than five minutes, or from the future", EffectRequest,
		"look at the clock of the host; repetitions of old deliveries may be ignored",
	},
	{
		"foreign_delivery", "webhooks come from another account of the app", EffectRequest,
		"test the account, so that its own ID is known; remove the address from the other account",
	},
	{
		"webhook_secret_unavailable", "the signing secret cannot be read just now", EffectWaits,
		"nothing: the app sends again",
	},
	{
		"credentials_unreadable", "the stored credentials cannot be opened", EffectConnection,
		"check the root key; else enter the credentials again",
	},
	{
		"invalid_client", "the app refuses our OAuth client", EffectConnection,
		"check client ID, secret and redirect address at PUT /v1/apps/{app}/client",
	},
	{
		"reauthorization_required", "the app no longer accepts the credentials", EffectConnection,
		"authorise the account again; what waits goes on by itself",
	},
	{
		"listing_refused", "an app refuses to list the object's records, whatever is asked again; the detail says why",
		EffectWaits, "mend what the detail names: map fewer fields, choose another object, or ask the app; it is tried " +
			"each minute and goes on by itself",
	},
	{
		"missing_permission", "the credentials lack a right in the app", EffectConnection,
		"give the app's user or token the right named in the detail",
	},
	{
		"rate_limited", "the app's limit of calls is reached", EffectWaits,
		"nothing; other users of the same limit may be slowed down",
	},
	{
		"quota_exhausted", "the app's quota of calls for the day is used up", EffectWaits,
		"nothing, or buy more calls from the app",
	},
	{
		"malformed_answer", "the app's answer makes no sense", EffectWaits,
		"try again; when it stays, tell the app's support the request ID of the entry",
	},
	{"held_back", "bulk work leaves this part of the limit to people", EffectWaits, "nothing"},
	{
		"oauth_client_refused", "the app refuses our OAuth client", EffectConnection,
		"check client ID, secret and redirect address at PUT /v1/apps/{app}/client",
	},
	{"token_refresh", "another worker is renewing the access token", EffectWaits, "nothing"},
	{
		"host_not_found", "the app's host name cannot be resolved", EffectWaits,
		"check the account's base_url and the network",
	},
	{
		"too_many_matches", "the app finds more records than it can list", EffectRecord,
		"use a match field with fewer equal values",
	},
}

// otherEffects are of codes that stand for two things: of a setting and of a
// record's field, of a record to be created and of a field to be changed, of a
// refusal that names a field and of one that names none.
var otherEffects = map[string]Effect{
	"already_exists":   EffectWaits,
	"invalid_value":    EffectRecord,
	"read_only_field":  EffectField,
	"rejected":         EffectField,
	"rejected_by_rule": EffectRecord,
	"unknown_field":    EffectField,
}

// innerCodes come from storage and queues. They are bugs or broken set-ups,
// and named here so that a log line can be looked up.
var innerCodes = []codeRow{
	{
		"item_too_large", "what is to be stored is larger than 400 KiB", EffectRequest,
		"make the document smaller, for example by splitting the connection",
	},
	{
		"aws_throttled", "our storage is being asked too much", EffectWaits,
		"nothing: it is tried again; when it stays, raise the capacity",
	},
	{
		"aws_denied", "the program may not do this in the AWS account", EffectWaits,
		"give its role the permission that the deployment names",
	},
	{
		"aws_missing", "a table, queue or key is not there", EffectWaits,
		"deploy again; compare the names in the configuration",
	},
	{
		"aws_refused", "an AWS service found a request malformed", EffectWaits,
		"report it with the request ID: it is a mistake in Lockstep",
	},
	{"message_refused", "the queue refused a message", EffectRequest, "report it: it is a mistake in Lockstep"},
	{"queue_unnamed", "the program is not told the URL of a queue", EffectRequest, "set it in the configuration"},
	{"redrive_running", "the queue is still moving dead letters back", EffectWaits, "nothing: it goes on by itself"},
	{"redrive_stopped", "the queue stopped before all dead letters were moved back", EffectRequest, "start it again"},
	{
		"root_key_malformed", "the root key is not named by a key ARN", EffectRequest,
		"set the key's ARN in the configuration, not an alias",
	},
	{
		"root_key_unusable", "the root key is disabled or on its way to deletion", EffectWaits,
		"enable it again: without it no credential can be read",
	},
	{"schedule_malformed", "a schedule that cannot be", EffectRequest, "report it: it is a mistake in Lockstep"},
	{
		"schedules_unnamed", "the program is not told a name that schedules need", EffectRequest,
		"set it in the configuration",
	},
	{"table_unnamed", "the program is not told the name of a table", EffectRequest, "set it in the configuration"},
	{"database_newer", "the data folder was written by a newer version", EffectRequest, "run the newer version"},
	{"database_damaged", "the data folder is damaged", EffectRequest, "restore it from a backup"},
	{"database_foreign", "the data folder belongs to another program", EffectRequest, "choose another folder"},
	{
		"backup_damaged", "the copy of a data folder does not hold together", EffectRequest,
		"look at the disks of both folders, and copy again",
	},
	{
		"backup_exists", "the folder that a backup was to make is there already", EffectRequest,
		"name a folder that is not there",
	},
	{
		"data_folder_in_use", "another process uses the data folder", EffectRequest,
		"stop the other process or choose another folder",
	},
	{"invalid_allow_host", "an entry of the allowed hosts cannot be read", EffectRequest, "write host or host:port"},
	{"key_file_malformed", "the file of the root key cannot be read", EffectRequest, "restore it from a backup"},
	{
		"key_file_open_to_others", "others may read the file of the root key", EffectRequest,
		"make it readable by its owner only",
	},
	{
		"root_key_missing", "the root key is gone, and secrets are sealed under it", EffectRequest,
		"restore root.key from the backup; lockstep admin new-root-key when it is lost for good",
	},
	{
		"root_key_wrong", "the root key is another one than the secrets are sealed under", EffectRequest,
		"restore the right root.key; lockstep admin new-root-key when it is lost for good",
	},
	{"root_key_fits", "the root key is the right one", EffectRequest, "nothing is to be done"},
	{
		"root_key_unknown", "the root key of a sealed secret is not there", EffectConnection,
		"restore the key file, or enter the credentials again",
	},
	{"seal_broken", "a sealed secret was altered or moved", EffectConnection, "enter the credentials again"},
	{
		"blob_format", "a sealed secret is of an unknown format", EffectConnection,
		"run the newer version, or enter the credentials again",
	},
	{"condition_failed", "somebody else changed the item first", EffectWaits, "nothing: it is read again"},
	{"cursor_expired", "the app has forgotten where a listing stood", EffectWaits, "nothing: a full listing follows"},
	{"lease_ending", "the time for a piece of work is used up", EffectWaits, "nothing: it goes on in the next round"},
	{"unfinished", "a piece of work did not come to its end in time", EffectWaits, "nothing: it is tried again"},
	{"leased", "another worker is at this sync", EffectWaits, "nothing"},
	{
		"settings_outdated", "the settings were changed while the work began, and others work under the new ones", EffectWaits,
		"nothing: it begins anew under the settings as they are now",
	},
	{"create_in_flight", "the record may have been created in the other app already; what came of it is looked at as " +
		"soon as the app can be asked", EffectWaits, "nothing"},
	{"receipt_stale", "a message was given to another worker meanwhile", EffectWaits, "nothing"},
	{"unreadable_message", "a message of the queue cannot be read", EffectRequest, "see the dead items"},
	{"batch_too_large", "a call holds more than is allowed at once", EffectRecord, "tell the operator: this is a bug"},
	{"mixed_batch", "a call mixes different kinds of writes", EffectRecord, "tell the operator: this is a bug"},
	{
		"literal_without_quotes", "a value of a search has the wrong type for its field", EffectWaits,
		"nothing: the search is made in another form",
	},
	{"unknown_format", "the item was written by a newer version", EffectRequest, "run the newer version"},
	{"invalid_config", "the program is not configured completely", EffectRequest, "see the detail"},
	{"incomplete_configuration", "the program is not configured completely", EffectRequest, "see the detail"},
}
