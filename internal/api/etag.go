package api

import (
	"net/http"
	"strconv"
	"strings"
)

// etag writes a version as a strong entity tag.
func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// checkMatch compares If-Match with the version stored: 428 without, 412 when
// it names another one. "*" stands for whatever version there is.
func checkMatch(header string, version int64) *Problem {
	if strings.TrimSpace(header) == "" {
		return problem(http.StatusPreconditionRequired, CodePrecondition, "")
	}
	for tag := range strings.SplitSeq(header, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == etag(version) {
			return nil
		}
	}
	return problem(http.StatusPreconditionFailed, CodeStaleVersion, "").withHeader("ETag", etag(version))
}
