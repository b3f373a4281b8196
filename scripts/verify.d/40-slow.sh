#!/usr/bin/env bash
# Apps that take six seconds for each call: the program on both storages and the
# functions with the time limits of a deployment bring fifty people in step. The
# tests of the packages do the same with two seconds.
set -euo pipefail

make standins
LATENCY=${LATENCY:-6s} CI=true go test -count=1 -timeout 10m -run 'TestS34_(ServedSlowApps|FunctionsOnSlowApps)$' ./functions/local ./internal/proof/lambdarun/e2e
