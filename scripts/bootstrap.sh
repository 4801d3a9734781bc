#!/usr/bin/env bash
# Creates a virtual environment with this project and its development tools, or updates one; does
# nothing if it is up to date. Used by the Makefile:
#
#   scripts/bootstrap.sh FOLDER [REQUIREMENT...]       e.g. .venv-0.26 apache-tvm==0.26.0
#
# PYTHON names the Python to use; the default is the first of the usual names that is 3.11 or later.
# If a part of Python is missing that Debian has as a package of its own, it is installed if the user
# is root, otherwise the packages are printed. Two files in the folder record its state: .unfinished
# while it is being created (an interrupted one is created again), then .bootstrapped with a
# fingerprint of its inputs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=${1:?which folder should the virtual environment be in?}
shift
unfinished=$venv/.unfinished
stamp=$venv/.bootstrapped

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 2; }

# The extension is only for Linux x86-64 (as in setup.py).
wants_extension() { [ "$(uname -s) $(uname -m)" = "Linux x86_64" ]; }

find_python() {
    local name
    for name in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s\n' "$name"
            return
        fi
        [ "$name" != "${PYTHON:-}" ] || die "PYTHON=$PYTHON does not run, or is older than 3.11"
    done
    die "no Python 3.11 or later: apt-get install python3 (Debian 12 or later)," \
        "or name one: PYTHON=/path/to/python3.11 make ..."
}

ask_python() { "$python" -c "$1" 2>/dev/null; }

has_apt() { command -v apt-get >/dev/null; }

# Debian's own Python, some parts of which are separate packages.
is_debian_python() { has_apt && [ "$(ask_python 'import sys; print(sys.base_prefix)')" = /usr ]; }

compiles() { printf '%s\n' "$1" | ${CC:-cc} -fsyntax-only -x c "${@:2}" - >/dev/null 2>&1; }

# The missing Debian packages that the extension needs, one per line.
missing_for_extension() {
    local include
    include=$(ask_python 'import sysconfig; print(sysconfig.get_path("include"))')
    if ! compiles 'int nothing;'; then
        # If CC is set and doesn't work, no package fixes that.
        [ -n "${CC:-}" ] || echo gcc libc6-dev
    elif ! compiles '#include <stdio.h>'; then
        echo libc6-dev # gcc only recommends it
    fi
    [ -f "$include/Python.h" ] || ! is_debian_python || echo "python$python_version-dev"
}

# Checks that this Python can create a virtual environment and build the extension, and installs or
# prints what is missing; only the virtual environment is required.
check_system() {
    local needed="" wished="" packages
    ask_python 'import venv, ensurepip' || needed="python$python_version-venv"
    if [ -n "$needed" ] && ! is_debian_python; then
        die "$python has no ensurepip, so it can't create virtual environments;" \
            "use another one: PYTHON=/path/to/python3.11 make ..."
    fi
    if wants_extension; then wished=$(missing_for_extension | xargs); fi
    packages="$needed${needed:+ }$wished"
    [ -n "$packages" ] || return 0

    if has_apt && [ "$(id -u)" = 0 ]; then
        say "installing missing packages: $packages"
        # shellcheck disable=SC2086  # several packages, one word each
        if apt-get update -q >&2 && DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends $packages >&2; then
            return 0
        fi
        say "apt-get failed; its error message is above"
    fi
    if [ -n "$needed" ]; then
        die "$python can't create virtual environments yet." \
            "As root: apt-get update && apt-get install $packages    Then run make again."
    fi
    say "warning: native coverage can't be built here; the fuzzer will use only Python coverage. To"
    say "         build it, as root: apt-get update && apt-get install $packages    Then run make again."
}

extension_file() {
    local suffix
    suffix=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
    printf '%s\n' "harness/coverage/_native$suffix"
}

# The inputs of the environment; if they change, it is updated.
fingerprint() {
    local part
    for part in pyproject.toml setup.py harness/coverage/*.[ch]; do
        if [ -f "$part" ]; then cksum <"$part"; fi
    done
    printf '%s\n' "$@"
    if wants_extension; then
        printf 'lacks: %s\n' "$(missing_for_extension | xargs)"
        if [ -f "$(extension_file)" ]; then echo "extension: built"; fi
    fi
}

# A virtual environment contains absolute paths: one that was moved is not usable.
is_usable() {
    [ -f "$stamp" ] && [ "$(head -n 1 "$stamp")" = "$PWD" ] && "$venv/bin/python" -c '' 2>/dev/null
}

refuse_foreign() {
    if [ -e "$venv" ] && [ ! -f "$stamp" ] && [ ! -f "$unfinished" ]; then
        die "$venv exists, but was not created by make: move it away, or choose another folder" \
            "(make ... VENV=another)"
    fi
}

make_venv() {
    rm -rf -- "$venv"
    mkdir -p -- "$venv"
    touch -- "$unfinished"
    say "creating $venv with $python ($python_version)"
    "$python" -m venv "$venv"
}

install() {
    touch -- "$unfinished"
    rm -f -- "$stamp" "$(extension_file)"
    "$venv/bin/python" -m pip install --disable-pip-version-check -e '.[dev,web]' "$@" || {
        say "error: the installation failed; pip's error message is above. The usual cause is the"
        say "       network. Run make again: it starts over, with the files that pip has in its cache."
        exit 2
    }
    if wants_extension && [ ! -f "$(extension_file)" ]; then
        say "warning: native coverage was not built; '$venv/bin/tzer doctor' prints why"
    fi
}

# One at a time: a second make in the same folder waits here. The lock ends with this script.
exec 9<pyproject.toml
if command -v flock >/dev/null; then flock 9; fi

python=$(find_python)
python_version=$(ask_python 'import sys; print("%d.%d" % sys.version_info[:2])')
if is_usable && [ "$(tail -n +2 "$stamp")" = "$(fingerprint "$@")" ]; then exit 0; fi
refuse_foreign
check_system
is_usable || make_venv
install "$@"
{ printf '%s\n' "$PWD"; fingerprint "$@"; } >"$stamp"
rm -f -- "$unfinished"
