#!/usr/bin/env bash
# Two real CardDAV servers, Radicale and Xandikos (pinned in carddav.txt), on loopback:
# their address books are kept in step with each other, and one of them with HubSpot's
# fake, with photos and unknown properties byte for byte. CARDDAV_CARDS people a side
# (200). Where the servers cannot be installed it says so and passes, but not in CI.
set -euo pipefail

here=$(dirname "$0")
venv=$PWD/.tools/carddav
work=$(mktemp -d)
pids=()
stop() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 143' TERM

if ! cmp -s "$here/carddav.txt" "$venv/.installed"; then
	rm -rf "$venv"
	if ! { python3 -m venv "$venv" && timeout 300 "$venv/bin/pip" install --quiet --disable-pip-version-check \
		--require-hashes -r "$here/carddav.txt"; } >"$work/install" 2>&1; then
		tail -5 "$work/install" >&2
		if [ -n "${CI:-}" ]; then
			echo "the CardDAV servers cannot be installed" >&2
			exit 1
		fi
		echo "CardDAV servers: skipped, they cannot be installed here"
		exit 0
	fi
	cp "$here/carddav.txt" "$venv/.installed"
fi

# answers ADDRESS: waits until a server answers; not in vain for one that has ended.
answers() {
	for _ in $(seq 600); do
		if "$venv/bin/python" -c "import urllib.request as u; u.urlopen('$1', timeout=2)" 2>/dev/null; then return; fi
		if ! kill -0 "${pids[-1]}" 2>/dev/null; then break; fi
		sleep 0.1
	done
	cat "$work"/*.log >&2
	echo "no server at $1" >&2
	exit 1
}
free() { "$venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

radicale=127.0.0.1:$(free)
echo "ada:secret" >"$work/users"
"$venv/bin/radicale" --config "" --hosts "$radicale" --auth-type htpasswd --auth-htpasswd-filename "$work/users" \
	--auth-htpasswd-encryption plain --storage-filesystem-folder "$work/radicale" --logging-level warning \
	>"$work/radicale.log" 2>&1 &
pids+=($!)
answers "http://$radicale/.web/"
"$venv/bin/python" - "$radicale" <<-'PY'
	import base64, sys, urllib.request as u
	body = ('<mkcol xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><set><prop><resourcetype><collection/>'
	        '<C:addressbook/></resourcetype><displayname>Contacts</displayname></prop></set></mkcol>')
	u.urlopen(u.Request(f"http://{sys.argv[1]}/ada/contacts/", body.encode(), method="MKCOL", headers={
	    "Authorization": "Basic " + base64.b64encode(b"ada:secret").decode(), "Content-Type": "application/xml"}))
PY

xandikos=127.0.0.1:$(free)
"$venv/bin/xandikos" serve -d "$work/xandikos" --defaults --current-user-principal /ada/ -l 127.0.0.1 \
	-p "${xandikos#*:}" >"$work/xandikos.log" 2>&1 &
pids+=($!)
answers "http://$xandikos/"

"$venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -iE '^(radicale|xandikos) '
LOCKSTEP_TEST_CARDS=${CARDDAV_CARDS:-200} \
	LOCKSTEP_TEST_CARDDAV="radicale=http://$radicale=/ada/contacts/,xandikos=http://$xandikos=/ada/contacts/addressbook/" \
	${GO:-go} test ./internal/app -run '^TestCardDAVServers$' -count=1 -v -timeout=20m
