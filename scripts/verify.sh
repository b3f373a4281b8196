#!/usr/bin/env bash
# Runs the outside judges of scripts/verify.d: conformance, which mostly waits for
# the limits of apps, beside the others, and those two at a time. What each said is
# printed whole when it has ended; those that failed are named at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT

judge() {
	local said=$work/${1##*/} began=$SECONDS rc=0
	"$1" >"$said" 2>&1 || rc=$?
	[ $rc = 0 ] || echo "$1" >>"$work/failed"
	echo "-- $1 took $((SECONDS - began)) s" >>"$said"
	echo "== $1" | cat - "$said"
}

judge scripts/verify.d/10-conformance.sh &
for script in scripts/verify.d/[2-9]*.sh; do
	while [ "$(jobs -rp | wc -l)" -gt 2 ]; do wait -n; done
	judge "$script" &
done
wait
if [ -s "$work/failed" ]; then
	echo "failed:" $(sort "$work/failed") >&2
	exit 1
fi
