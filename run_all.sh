#!/usr/bin/env bash
# The whole study: environment, corpus, seven notebooks, outputs/report/. Options go to `tagging study` (see --help).
set -euo pipefail
# Paths among the options are relative to where the caller stands; the notebooks are found by the library.
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
. "$ROOT/scripts/environment.sh"
use_environment
exec "$PYTHON" -m tagging_lib.cli study "$@"
