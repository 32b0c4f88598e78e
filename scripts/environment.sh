# Sourced by run_all.sh and run_tests.sh: sets PYTHON to an interpreter that satisfies the requirements.
# The active environment is taken when it does; otherwise .venv beside this checkout, made now or by an earlier call.
#   use_environment [EXTRA]...

# What stands before a failing command belongs to the caller; this file only defines functions.

environment_satisfies() { # PYTHON EXTRA...: says on standard output what is missing
  local python=$1
  shift
  "$python" "$ROOT/scripts/check_environment.py" "$@" 2>/dev/null
}

find_python() { # the interpreter for a new environment; those that the pinned packages surely have wheels for come first
  local candidate
  for candidate in python3.12 python3.13 python3.11 python3 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return 0
    fi
  done
  return 1
}

works() { "$@" --version >/dev/null 2>&1; }

# uv chooses the build of torch that suits the machine: without an NVIDIA card one that is gigabytes smaller.
install_for_this_machine() { # UV PYTHON: fails within seconds where these builds are out of reach
  local install=("$1" pip install --quiet --torch-backend="${UV_TORCH_BACKEND:-auto}" --python "$2" -r "$ROOT/requirements.lock")
  # The rehearsal asks for every package, and does not wait for a host that does not answer.
  UV_HTTP_RETRIES=1 UV_HTTP_CONNECT_TIMEOUT=5 UV_HTTP_TIMEOUT=10 "${install[@]}" --dry-run --no-deps >/dev/null 2>&1 &&
    "${install[@]}"
}

make_environment() { # VENV
  local venv=$1 python="$1/bin/python" base uv install
  base=$(find_python) || base=""
  if works uv; then
    uv=uv
    # uv fetches an interpreter itself where the machine has none.
    works "$python" || uv venv --quiet --clear --python "${base:-3.12}" "$venv"
    install=(uv pip install --quiet --python "$python")
  else
    if [ -z "$base" ]; then
      echo "environment: no Python 3.11 or newer found: install one, or uv, and run this again" >&2
      return 2
    fi
    works "$python" -m pip || "$base" -m venv --clear "$venv"
    install=("$python" -m pip install --quiet --disable-pip-version-check)
    uv="$venv/bin/uv"
    works "$uv" || "${install[@]}" --retries 1 --timeout 10 uv >/dev/null 2>&1 || true
  fi
  if ! { works "$uv" && install_for_this_machine "$uv" "$python"; }; then
    echo "environment: builds of torch for this machine are out of reach; the usual one brings gigabytes on Linux" >&2
    "${install[@]}" -r "$ROOT/requirements.lock"
  fi
  "${install[@]}" --no-deps --no-build-isolation -e "$ROOT"
}

use_environment() { # EXTRA...
  local active lacking venv="$ROOT/.venv"
  for active in python python3; do
    if works "$active" && environment_satisfies "$active" "$@" >/dev/null; then
      PYTHON=$(command -v "$active")
      echo "environment: the active one, $PYTHON" >&2
      break
    fi
    PYTHON=""
  done
  if [ -z "$PYTHON" ]; then
    PYTHON="$venv/bin/python"
    if works "$PYTHON" && lacking=$(environment_satisfies "$PYTHON" "$@"); then
      echo "environment: $venv" >&2
    else
      echo "environment: ${lacking:-the active one lacks packages}; installing requirements.lock into $venv (minutes, once)" >&2
      make_environment "$venv"
      if ! lacking=$(environment_satisfies "$PYTHON" "$@"); then
        echo "environment: $venv is still incomplete: $lacking; delete it and run this again" >&2
        return 2
      fi
      echo "environment: $venv is ready" >&2
    fi
  fi
  export PYTHON
  # Notebooks, kernels and subprocesses see the checkout and the environment's own programs first.
  export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}"
  PATH="$(dirname "$PYTHON"):$PATH"
  export PATH
}
