#!/usr/bin/env bash
# Makes a virtual environment as TVM's developers and users have it: the packages named, what pip
# brings along with them today, and nothing of this project. Its tests run reproducers there.
#
#   scripts/bare_environment.sh PYTHON FOLDER REQUIREMENT...     e.g. .venv-bare apache-tvm numpy
#
# Does nothing where the environment is already made of these. An interrupted one is made anew.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=$1 venv=$2
shift 2
stamp=$venv/.bare
made_from=$(printf '%s\n' "$PWD" "$@")

exec 9<pyproject.toml # one at a time; the lock ends with this script
if command -v flock >/dev/null; then flock 9; fi

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$made_from" ]; then exit 0; fi
if [ -e "$venv" ] && [ ! -f "$venv/pyvenv.cfg" ]; then
    printf 'error: %s is not a virtual environment: move it away\n' "$venv" >&2
    exit 2
fi
printf 'making %s of %s\n' "$venv" "$*" >&2
rm -rf -- "$venv"
"$python" -m venv "$venv"
"$venv/bin/python" -m pip install -q --disable-pip-version-check "$@" || {
    printf 'error: the installation failed; the network is the usual cause. Run make again.\n' >&2
    exit 2
}
printf '%s\n' "$made_from" >"$stamp"
