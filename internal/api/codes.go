package api

import (
	"slices"
	"strings"
)

// Codes of this package; those of the layers below are in the dictionary too.
const (
	CodeInternal           = "internal"
	CodeInvalidParameter   = "invalid_parameter"
	CodeInvalidDocument    = "invalid_document"
	CodeChoiceUnfit        = "choice_unfit"
	CodeUnsupportedSetting = "unsupported_setting"
	CodeSettingLocked      = "setting_locked"
	CodeLockedSettings     = "locked_settings"
	CodeMalformedJSON      = "malformed_json"
	CodeMalformedYAML      = "malformed_yaml"
	CodeBadUTF8            = "bad_utf8"
	CodeTooDeep            = "too_deep"
	CodeTooManyValues      = "too_many_values"
	CodeShareSpent         = "share_spent"
	CodeLoginsSpent        = "too_many_failed_logins"
	CodeViewerAsks         = "viewer_asks_no_app"
	CodeDuplicateKey       = "duplicate_key"
	CodeTrailingData       = "trailing_data"
	CodeUnknownKey         = "unknown_key"
	CodeMissingKey         = "missing_key"
	CodeWrongType          = "wrong_type"
	CodeWrongLength        = "wrong_length"
	CodeUnknownValue       = "unknown_value"
	CodeServerOwned        = "server_owned"
	CodeBodyRequired       = "body_required"
	CodeBodyTooLarge       = "body_too_large"
	CodeBadMediaType       = "unsupported_media_type"
	CodeNotAcceptable      = "not_acceptable"
	CodeBadAddress         = "malformed_address"
	CodeHostNotAllowed     = "host_not_allowed"
	CodeNotFound           = "not_found"
	CodeMethodNotAllowed   = "method_not_allowed"
	CodeRoleTooLow         = "role_too_low"
	CodeAccessDenied       = "access_denied"
	CodePrecondition       = "precondition_required"
	CodeStaleVersion       = "stale_version"
	CodeConfirmName        = "confirmation_required"
	CodeFieldMapped        = "field_mapped"
	CodeFieldInUse         = "field_written_by_other_connection"
	CodeFieldShared        = "field_shared"
	CodeFieldTwice         = "field_written_by_other_sync"
	CodeSameObject         = "same_object"
	CodeUnknownAccount     = "unknown_account"
	CodeUnknownObject      = "unknown_object"
	CodeRequiredUnmapped   = "required_field_unmapped"
	CodeKeyNotUnique       = "key_not_unique"
	CodeKeyOff             = "match_key_off"
	CodeIDMapped           = "id_field_mapped"
	CodeIDNotMapped        = "id_not_mapped"
	CodeTooMany            = "too_many"
	CodeUnknownPreset      = "unknown_preset"
	CodeUnknownCode        = "unknown_code"
	CodeConnectionNeeded   = "connection_required"
	CodeDeleting           = "connection_deleting"
	CodeIncomplete         = "connection_incomplete"
	CodeStepMissing        = "step_missing"
	CodeDoesNothing        = "does_nothing"
	CodeNotSearched        = "key_not_searched"
	CodeBusy               = "busy"
	CodeNotStarted         = "not_started"
	CodeForgedWebhook      = "forged_webhook"
	CodeHooksRefused       = "webhooks_refused"
	CodeTooManyEvents      = "too_many_events"
)

// Effect says what the code costs.
type Effect string

// The effects.
const (
	EffectRequest    Effect = "request_refused"  // nothing was done
	EffectDocument   Effect = "not_saved"        // a document was refused; nothing was stored
	EffectRecord     Effect = "record_skipped"   // this record was not written; others go on
	EffectField      Effect = "field_skipped"    // this field was not written; the record's others were
	EffectWaits      Effect = "retried"          // waits and is tried again by itself
	EffectConnection Effect = "connection_waits" // the connection waits for a person
	EffectNone       Effect = "none"             // a statement, not a fault
)

// Code is one entry of the error dictionary.
type Code struct {
	Code    string `json:"code"`
	Meaning string `json:"meaning"`
	Effect  Effect `json:"effect"`
	Remedy  string `json:"remedy"`
	Also    Effect `json:"also,omitempty" doc:"The other effect of a code that stands for two things: of a setting and of a record, of a record to be created and of a field"`
}

// codeRow is an entry as the tables hold it.
type codeRow struct {
	code, meaning string
	effect        Effect
	remedy        string
}

// Dictionary returns every code, in alphabetical order.
func Dictionary() []Code {
	rows := slices.Concat(requestCodes, documentCodes, recordCodes, accountCodes, innerCodes)
	all := make([]Code, len(rows))
	for i, r := range rows {
		all[i] = Code{r.code, r.meaning, r.effect, r.remedy, otherEffects[r.code]}
	}
	slices.SortFunc(all, func(a, b Code) int { return strings.Compare(a.Code, b.Code) })
	return all
}

// meanings finds a code's text.
var meanings = func() map[string]Code {
	m := map[string]Code{}
	for _, c := range Dictionary() {
		m[c.Code] = c
	}
	return m
}()

// meaning is the sentence shown when nothing more exact is known.
func meaning(code string) string {
	if c, ok := meanings[code]; ok {
		return c.Meaning
	}
	return "the request could not be carried out"
}
