#!/usr/bin/env bash
# The console in Debian's Chromium, against the program and its fakes: from an
# empty workspace to records in step by keyboard, every screen under axe-core in
# light and dark and from 360 to 2,560 pixels, hostile texts in every place, the
# API refusing and away, long lists. Installs Chromium when it is missing and
# may; where it cannot, says why and fails.
set -euo pipefail
cd "$(dirname "$0")/../.."

found() { for b in "${CHROMIUM:-}" /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do [ -n "$b" ] && [ -x "$b" ] && return; done; return 1; }

if ! found && command -v apt-get >/dev/null; then
	if [ "$(id -u)" = 0 ]; then as_root=(); else as_root=(sudo -n); fi
	"${as_root[@]}" apt-get update -qq && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends chromium fonts-liberation >/dev/null || true
fi
if ! found; then
	echo "console: not tried in a browser: there is no Chromium, and it could not be installed; set CHROMIUM to one" >&2
	exit 1
fi
make console
[ -f internal/console/static/app/index.html ] || { echo "console: not tried: it is not built, which needs Node" >&2; exit 1; }
go build -trimpath -o bin/lockstep ./functions/local
cd internal/console/web
node --test --test-concurrency=2 --test-timeout=600000 --test-reporter=spec test/*.test.mjs
