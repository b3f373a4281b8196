#!/usr/bin/env bash
# Lines of code of each connector and kit, without comments and blank lines: its
# own, its tests', its fake's and the fake's tests'. make lines builds the counter.
set -euo pipefail
cd "$(dirname "$0")/../internal/connector"
count() { # FILE…
	[ $# -gt 0 ] || { echo 0; return; }
	../../.tools/scc --no-cocomo --format csv "$@" | awk -F, 'NR > 1 { n += $3 } END { print n + 0 }'
}
shopt -s nullglob
printf '%-12s %6s %6s %6s %6s %7s\n' '' own tests fake 'its' folder
printf '%-12s %6s %6s %6s %6s %7s\n' '' '' '' '' tests ''
for d in */; do
	d=${d%/}
	own=() tests=() fake=() fake_tests=()
	for f in "$d"/*.go; do case $f in *_test.go) tests+=("$f") ;; *) own+=("$f") ;; esac; done
	for f in "$d"/*fake/*.go; do case $f in *_test.go) fake_tests+=("$f") ;; *) fake+=("$f") ;; esac; done
	n=("$(count "${own[@]}")" "$(count "${tests[@]}")" "$(count "${fake[@]}")" "$(count "${fake_tests[@]}")")
	printf '%-12s %6d %6d %6d %6d %7d\n' "$d" "${n[@]}" $((n[0] + n[1] + n[2] + n[3]))
done

# Apps that are documents: one file, and a table for the fake.
printf '\n%-14s %8s %6s\n' '' document fake
for f in declared/example.yaml apps/documents/*.yaml; do
	id=$(basename "$f" .yaml)
	printf '%-14s %8d %6d\n' "$id" "$(count "$f")" "$(count "declared/vendorsfake/$id.go")"
done
printf '%-14s %8s %6d\n' 'shared' '' "$(count declared/vendorsfake/crud.go fakekit/restapp/*.go)"
