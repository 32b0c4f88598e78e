#!/usr/bin/env bash
# The whole study: environment, corpus, seven notebooks, outputs/report/. Options go to `tagging study` (see --help);
# paths among them are relative to this folder.
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$ROOT"
. scripts/environment.sh
use_environment
exec "$PYTHON" -m tagging_lib.cli study "$@"
