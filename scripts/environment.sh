# Sourced by run_all.sh and run_tests.sh: leaves a Python that satisfies the requirements in $PYTHON.
# The active one is taken when it does; otherwise .venv is made from requirements.lock once and reused.

satisfied() {
  "$1" scripts/check_environment.py "${@:2}" 2>/dev/null
}

make_environment() {
  echo "making .venv from requirements.lock (a few minutes the first time, several GB with CUDA)"
  local unfinished=.venv.unfinished
  rm -rf .venv "$unfinished"
  if command -v uv >/dev/null 2>&1; then
    uv venv --quiet --python ">=3.11" .venv
    # One place for every package: a torch found elsewhere may not fit its torchvision.
    env -u UV_FIND_LINKS uv pip install --quiet --python .venv/bin/python -r requirements.lock
  else
    local base
    for base in python3.13 python3.12 python3.11 python3 python; do
      if "$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi
    done
    "$base" -m venv .venv
    env -u PIP_FIND_LINKS .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
  fi
}

PYTHON="$(command -v python || command -v python3 || true)"
if [ -n "$PYTHON" ] && satisfied "$PYTHON" "$@"; then
  echo "using the active environment: $PYTHON"
elif [ -x .venv/bin/python ] && satisfied .venv/bin/python "$@"; then
  PYTHON="$PWD/.venv/bin/python"
  echo "using .venv"
else
  make_environment
  PYTHON="$PWD/.venv/bin/python"
  "$PYTHON" scripts/check_environment.py "$@"
fi
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
