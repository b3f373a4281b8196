#!/usr/bin/env bash
# The stack as it is deployed: ministack creates it from the synthesised
# template, and a small end-to-end run goes through its queue, its HTTP API and
# its schedules.
set -euo pipefail

make e2e-stack
