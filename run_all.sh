#!/usr/bin/env bash
# Runs the whole study: environment, corpus, seven notebooks, outputs/report/. Options: ./run_all.sh --help
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$here"
source scripts/environment.sh
exec "$PYTHON" -m tagging_lib.cli study "$@"
