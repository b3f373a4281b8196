#!/usr/bin/env bash
# Holds the running program against the OpenAPI document that it publishes, with
# Schemathesis: requests that fit the document and requests that do not, made up
# for every operation. Answers must be listed, of the listed form, and never our
# fault. Two fakes stand behind it, so that the calls reach something.
#
# The program runs on both storages at once, since each run leaves much of the
# time unused: everything with a data folder, and with stand-ins for AWS what
# storage can change, which is a smaller number of cases. STORE=embedded or
# STORE=dynamo runs it on one.
set -euo pipefail

binary=${LOCKSTEP_BINARY:-bin/lockstep}
here=$(dirname "$0")
work=$(mktemp -d)
pids=()
stop() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
	pids=()
}
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 143' TERM

# start LOG COMMAND...: runs a server and waits for the address that it prints;
# not in vain for one that has ended, and long enough for a machine that is busy.
start() {
	local log=$1
	shift
	"$@" >"$log" 2>"$log.err" &
	pids+=($!)
	local pid=$!
	for _ in $(seq 1200); do
		if address=$(grep -oE 'http://127\.0\.0\.1:[0-9]+' "$log" | head -1) && [ -n "$address" ]; then return; fi
		if ! kill -0 "$pid" 2>/dev/null; then break; fi
		sleep 0.05
	done
	cat "$log" "$log.err" >&2
	echo "did not start: $*" >&2
	exit 1
}

LOCKSTEP_ADMIN_KEY=lsk_$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export LOCKSTEP_ADMIN_KEY

# conform STORE COMMAND...: holds what the command serves against its document.
conform() {
	trap stop EXIT # of the shell of its own that it runs in
	pids=()
	local dir=$work/$1 store=$1 began=$SECONDS
	shift
	mkdir "$dir"
	start "$dir/hubspot" "$binary" fake hubspot --addr 127.0.0.1:0 --seed 20
	local hubspot=$address
	start "$dir/salesforce" "$binary" fake salesforce --addr 127.0.0.1:0 --seed 20
	local salesforce=$address
	start "$dir/serve" "$@" --addr 127.0.0.1:0 --log-level error --allow-host "${hubspot#http://},${salesforce#http://}"
	CONFORMANCE_STORE=$store python3 "$here/conformance.py" "$address" "$dir" "$hubspot" "$dir/hubspot" "$salesforce" "$dir/salesforce" &
	pids+=($!)
	wait $!
	stop
	if [ -s "$dir/serve.err" ]; then
		echo "the program logged errors:" >&2
		head -20 "$dir/serve.err" >&2
		exit 1
	fi
	echo "conformance on $store took $((SECONDS - began)) s"
}

case ${STORE:=embedded dynamo} in embedded | dynamo | "embedded dynamo") ;; *)
	echo "STORE=$STORE is neither embedded nor dynamo" >&2
	exit 1
	;;
esac
for store in $STORE; do
	case $store in
	embedded) (conform embedded "$binary" serve --data "$work/data") >"$work/embedded.out" 2>&1 & ;;
	dynamo)
		make -s standins
		go build -o "$work/account" ./scripts/account
		(conform dynamo "$work/account" "$binary" serve --store dynamo) >"$work/dynamo.out" 2>&1 &
		;;
	esac
	pids+=($!)
done
failed=0
i=0
for store in $STORE; do
	wait "${pids[$i]}" || failed=1
	i=$((i + 1))
	echo "-- on $store"
	cat "$work/$store.out"
done
pids=()
exit $failed
