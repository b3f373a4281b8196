#!/usr/bin/env bash
# The end-to-end run of the functions (make e2e) once more, smaller, with an SQS
# that others wrote and that hands out ten messages of a group at a time:
# ElasticMQ, which needs Java and Maven. After the edits a release of sync does
# not start, until its messages are dead letters of the queue; then "lockstep
# admin redrive" brings them back.
#
# 200 people a side and 50 edits each, so that it takes two minutes.
set -euo pipefail

scripts/standins/elasticmq/fetch
make standins
arch=$(go env GOARCH)
for fn in api keeper pull sync webhook; do
	CGO_ENABLED=0 go build -trimpath -tags lambda.norpc -ldflags '-s -w -buildid=' -o "dist/$arch/$fn/bootstrap" "./functions/$fn"
done
go run ./scripts/e2e -programs "dist/$arch" -queue elasticmq -redrive "${LOCKSTEP_BINARY:-bin/lockstep}" \
	-people 200 -edits 50 -newcomers 5 -poisoned 1 -kills 6 -sync-kills 1 -stalls 0
