#!/usr/bin/env bash
# govulncheck over the programs and the infrastructure: vulnerabilities that are
# known of what we call, with the database of vuln.go.dev, or with a copy that
# GOVULNDB names (a folder, file:// or an address), as "govulncheck -db" reads it.
#
# Where the database cannot be reached it says so and passes: nobody's change is
# at fault then. That the tool would notice one is proved first, on any machine,
# with a vulnerability that we made up. A copy that cannot be read has failed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tool=$PWD/.tools/govulncheck
make -s "$tool"

# check SECONDS DATABASE FOLDER PACKAGES: 0 = none, 3 = some, else it could not be told.
check() { timeout "$1" "$tool" -db "$2" -C "$3" "$4" >"$work/said" 2>&1; }

planted() {
	local id=GO-2000-0001 when='"modified":"2000-01-01T00:00:00Z"'
	mkdir -p "$work/db/index" "$work/db/ID"
	echo "{$when}" >"$work/db/index/db.json"
	echo "[{\"id\":\"$id\",$when}]" >"$work/db/index/vulns.json"
	echo "[{\"path\":\"stdlib\",\"vulns\":[{\"id\":\"$id\",$when}]}]" >"$work/db/index/modules.json"
	cat >"$work/db/ID/$id.json" <<-JSON
		{"schema_version":"1.3.1","id":"$id",$when,"published":"2000-01-01T00:00:00Z","summary":"made up","details":"made up",
		"database_specific":{"url":"https://example.com/$id"},
		"affected":[{"package":{"name":"stdlib","ecosystem":"Go"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],
		"ecosystem_specific":{"imports":[{"path":"errors","symbols":["As"]}]}}]}
	JSON
	local rc=0
	check 120 "file://$work/db" . ./internal/fault || rc=$?
	if [ $rc != 3 ] || ! grep -q "$id" "$work/said"; then
		echo "govulncheck did not notice a vulnerability that was made up (code $rc):" >&2
		cat "$work/said" >&2
		exit 1
	fi
}
planted

db=${GOVULNDB:-https://vuln.go.dev}
case $db in /*) db=file://$db ;; esac
rc=0
check 30 "$db" . ./internal/fault || rc=$?
if [ $rc != 0 ] && [ $rc != 3 ]; then
	if [ -n "${GOVULNDB:-}" ]; then
		echo "the copy of the vulnerability database that GOVULNDB names cannot be read (code $rc): $(head -n 1 "$work/said")" >&2
		exit 1
	fi
	echo "not measured: the vulnerability database cannot be reached from here (code $rc); GOVULNDB names a copy. The tool said: $(head -n 1 "$work/said")"
	exit 0
fi

failed=0
for dir in . infra; do
	rc=0
	check 600 "$db" $dir ./... || rc=$?
	if [ $rc != 0 ]; then
		failed=1
		echo "govulncheck in $dir, code $rc:" >&2
		cat "$work/said" >&2
	fi
done
[ $failed = 0 ]
echo "govulncheck: 0 reachable vulnerabilities in the programs and the infrastructure, by $db"
