package awscall

import (
	"context"
	"errors"
	"fmt"
	"net"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// verdict is what an error says about the attempt.
type verdict uint8

const (
	throttled verdict = iota // refused for now; nothing happened
	unsent                   // never reached the service; nothing happened
	unsure                   // the answer was lost, or is a 5xx: the effect is unknown
	refused                  // refused for good; nothing happened
)

// throttles are codes that say that nothing happened and that a later
// attempt may go through.
var throttles = map[string]bool{
	"Throttling": true, "ThrottlingException": true, "ThrottledException": true, "RequestThrottled": true,
	"RequestThrottledException": true, "TooManyRequestsException": true, "RequestLimitExceeded": true,
	"ProvisionedThroughputExceededException": true, "LimitExceededException": true, "SlowDown": true,
	"BandwidthLimitExceeded": true, "OverLimit": true, "KmsThrottled": true,
	// DynamoDB: another transaction holds the item, or this one is still at work.
	"TransactionConflictException": true, "TransactionInProgressException": true, "ReplicatedWriteConflictException": true,
	// A clock that is off: the SDK corrects it by the answer, the next attempt is signed anew.
	"RequestTimeTooSkewed": true, "RequestExpired": true, "RequestInTheFuture": true,
}

// denials mean the operator's set-up: no wait helps, and no admin of a
// workspace can either.
var denials = map[string]bool{
	"AccessDenied": true, "AccessDeniedException": true, "UnrecognizedClientException": true, "InvalidClientTokenId": true,
	"ExpiredToken": true, "ExpiredTokenException": true, "MissingAuthenticationToken": true,
	"MissingAuthenticationTokenException": true,
	"IncompleteSignature":                 true, "InvalidSignatureException": true, "SignatureDoesNotMatch": true,
	"NotAuthorized": true,
	"OptInRequired": true, "KmsAccessDenied": true, "KMSAccessDeniedException": true,
}

// missing are codes for a table, queue or key that is not there.
var missing = map[string]bool{
	"ResourceNotFoundException": true, "TableNotFoundException": true, "QueueDoesNotExist": true,
	"AWS.SimpleQueueService.NonExistentQueue": true, "NotFoundException": true,
}

func judge(err error) verdict {
	var api smithy.APIError
	if errors.As(err, &api) && throttles[api.ErrorCode()] {
		return throttled
	}
	switch status := statusOf(err); {
	case status == 429:
		return throttled
	case status >= 500:
		return unsure
	case api != nil && status >= 400:
		return refused
	}
	if neverSent(err) {
		return unsent
	}
	return unsure
}

// neverSent reports whether the request did not leave the machine.
func neverSent(err error) bool {
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return true
	}
	var encoding *smithy.SerializationError
	return errors.As(err, &encoding)
}

func statusOf(err error) int {
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// Code is the service's code of err, or "" when no service answered.
func Code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// Classify makes a *fault.Error of what a call returned; landed says whether
// an attempt may have taken effect. An error that is classified already stays
// as it is; nil stays nil.
//
// Kinds: Throttled; Unavailable for a service that is down, unreachable, not
// set up ("aws_missing") or not permitted ("aws_denied"); Other ("aws_refused")
// for a request that the service finds malformed, which is a bug of ours.
func Classify(op string, err error, landed bool) error {
	var done *fault.Error
	if err == nil || errors.As(err, &done) {
		return err
	}
	var after Refused
	if errors.As(err, &after) {
		landed = landed || after.Landed
	}
	out := &fault.Error{Op: op, Kind: fault.Unavailable, MayHaveLanded: landed, Err: plain(err)}
	code := Code(err)
	switch judge(err) {
	case throttled:
		out.Kind, out.Code, out.Message = fault.Throttled, "aws_throttled", "the service limits our requests"
	case refused:
		switch {
		case denials[code]:
			out.Code, out.Message = "aws_denied", "the program may not do this in the AWS account"
		case missing[code]:
			out.Code, out.Message = "aws_missing", "a table, queue or key is not there"
		default:
			out.Kind, out.Code, out.Message = fault.Other, "aws_refused", "the service refused a request of ours as malformed"
		}
	case unsent, unsure:
	}
	return out
}

// plain is err without what the service wrote: it may quote keys, which may
// hold personal data.
func plain(err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		if ctx := contextError(err); ctx != nil {
			return ctx
		}
		return err
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		return fmt.Errorf("%s (HTTP %d, request %s)", api.ErrorCode(), response.HTTPStatusCode(), response.ServiceRequestID())
	}
	return errors.New(api.ErrorCode())
}

func contextError(err error) error {
	for _, ctx := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, ctx) {
			return ctx
		}
	}
	return nil
}
