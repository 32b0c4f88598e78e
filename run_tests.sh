#!/usr/bin/env bash
# Every check: style, types, tests. Options go to pytest, such as `./run_tests.sh -k splits`.
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$ROOT"
. scripts/environment.sh
use_environment test
"$PYTHON" -m ruff check .
"$PYTHON" -m mypy
exec "$PYTHON" -m pytest "$@"
