#!/usr/bin/env bash
# Holds the running program against the OpenAPI document that it publishes, with
# Schemathesis: requests that fit the document and requests that do not, made up
# for every operation. Answers must be listed, of the listed form, and never our
# fault. Two fakes stand behind it, so that the calls reach something.
set -euo pipefail

binary=${LOCKSTEP_BINARY:-bin/lockstep}
work=$(mktemp -d)
pids=()
cleanup() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

# start LOG COMMAND...: runs a server and waits for the address that it prints.
start() {
	local log=$1
	shift
	"$@" >"$log" 2>"$log.err" &
	pids+=($!)
	for _ in $(seq 200); do
		if address=$(grep -oE 'http://127\.0\.0\.1:[0-9]+' "$log" | head -1) && [ -n "$address" ]; then return; fi
		sleep 0.05
	done
	cat "$log" "$log.err" >&2
	echo "did not start: $*" >&2
	exit 1
}

LOCKSTEP_ADMIN_KEY=lsk_$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export LOCKSTEP_ADMIN_KEY

start "$work/hubspot" "$binary" fake hubspot --addr 127.0.0.1:0 --seed 20
hubspot=$address
start "$work/salesforce" "$binary" fake salesforce --addr 127.0.0.1:0 --seed 20
salesforce=$address
start "$work/serve" "$binary" serve --addr 127.0.0.1:0 --data "$work/data" --log-level error --allow-host "${hubspot#http://},${salesforce#http://}"

python3 "$(dirname "$0")/conformance.py" "$address" "$work" "$hubspot" "$work/hubspot" "$salesforce" "$work/salesforce"
if [ -s "$work/serve.err" ]; then
	echo "the program logged errors:" >&2
	head -20 "$work/serve.err" >&2
	exit 1
fi
