#!/usr/bin/env bash
# Every check: style, types, tests on all cores. Options go to pytest: `./run_tests.sh -k splits`, `-n 0` for one process.
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$ROOT"
. scripts/environment.sh
use_environment test
"$PYTHON" -m ruff check .
"$PYTHON" -m mypy
exec "$PYTHON" -m pytest -n auto --dist loadfile --no-loadscope-reorder "$@"
