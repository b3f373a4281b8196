#!/usr/bin/env bash
# Webhooks about alerts, sent by the program over HTTP, verified with the library
# for Python that receivers use (standardwebhooks, pinned in clients.txt).
set -euo pipefail

binary=${LOCKSTEP_BINARY:-bin/lockstep}
PYTHONDONTWRITEBYTECODE=1 LOCKSTEP_BINARY=$binary python3 "$(dirname "$0")/python_webhooks.py"
