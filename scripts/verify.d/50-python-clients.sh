#!/usr/bin/env bash
# The vendors' client libraries for Python (hubspot-api-client, simple-salesforce,
# pinned in clients.txt) against the fakes, through their own code: what they
# cannot use, a real app would not be.
set -euo pipefail

binary=${LOCKSTEP_BINARY:-bin/lockstep}
here=$(dirname "$0")
work=$(mktemp -d)
pids=()
stop() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 143' TERM

# start APP: runs a fake and waits for the address that it prints; not in vain
# for one that has ended.
start() {
	"$binary" fake "$1" --addr 127.0.0.1:0 >"$work/$1" 2>&1 &
	pids+=($!)
	local pid=$!
	for _ in $(seq 1200); do
		if address=$(grep -oE 'http://127\.0\.0\.1:[0-9]+' "$work/$1" | head -1) && [ -n "$address" ]; then return; fi
		if ! kill -0 "$pid" 2>/dev/null; then break; fi
		sleep 0.05
	done
	cat "$work/$1" >&2
	echo "the fake $1 did not start" >&2
	exit 1
}

start hubspot
export LOCKSTEP_FAKE_HUBSPOT=$address
start salesforce
export LOCKSTEP_FAKE_SALESFORCE=$address
PYTHONDONTWRITEBYTECODE=1 python3 "$here/python_clients.py"
