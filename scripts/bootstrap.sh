#!/usr/bin/env bash
# Makes a virtual environment with this project and its development tools, or brings one up to
# date; does nothing where it already is. Used by the Makefile:
#
#   scripts/bootstrap.sh FOLDER [REQUIREMENT...]       e.g. .venv-0.26 apache-tvm==0.26.0
#
# PYTHON names the Python to use; else the first of the usual names that is 3.11 or later.
# Where Debian has split off a part of Python that is needed, root gets it installed and anyone
# else is told the packages. Two files in the folder record its state: .unfinished while it is
# being made (an interrupted one is made anew), then .bootstrapped with what it was made from.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=${1:?which folder should the virtual environment be in?}
shift
unfinished=$venv/.unfinished
stamp=$venv/.bootstrapped

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 2; }

# The extension has a meaning on Linux x86-64 alone (setup.py says the same).
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

# Debian's own Python, whose parts are packages of their own.
is_debian_python() { has_apt && [ "$(ask_python 'import sys; print(sys.base_prefix)')" = /usr ]; }

compiles() { printf '%s\n' "$1" | ${CC:-cc} -fsyntax-only -x c "${@:2}" - >/dev/null 2>&1; }

# The Debian packages that the extension lacks here, one a line.
missing_for_extension() {
    local include
    include=$(ask_python 'import sysconfig; print(sysconfig.get_path("include"))')
    if ! compiles 'int nothing;'; then
        # A CC of the user's own that doesn't work is not mended by a package.
        [ -n "${CC:-}" ] || echo gcc libc6-dev
    elif ! compiles '#include <stdio.h>'; then
        echo libc6-dev # which gcc only recommends
    fi
    [ -f "$include/Python.h" ] || ! is_debian_python || echo "python$python_version-dev"
}

# Sees to it that the Python at hand can make a virtual environment, and preferably the extension.
check_system() {
    local needed="" wished="" packages
    ask_python 'import venv, ensurepip' || needed="python$python_version-venv"
    if [ -n "$needed" ] && ! is_debian_python; then
        die "$python has no ensurepip, so it can't make virtual environments:" \
            "name another one: PYTHON=/path/to/python3.11 make ..."
    fi
    if wants_extension; then wished=$(missing_for_extension | xargs); fi
    packages="$needed${needed:+ }$wished"
    [ -n "$packages" ] || return 0

    if has_apt && [ "$(id -u)" = 0 ]; then
        say "installing what this system lacks: $packages"
        # shellcheck disable=SC2086  # several packages, one word each
        if apt-get update -q >&2 && DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends $packages >&2; then
            return 0
        fi
        say "apt-get failed; its own message is above"
    fi
    if [ -n "$needed" ]; then
        die "$python can't make virtual environments yet." \
            "As root: apt-get update && apt-get install $packages    Then run make again."
    fi
    say "warning: native coverage can't be built here; the fuzzer will go on with Python coverage"
    say "         alone. To have it, as root: apt-get update && apt-get install $packages    Then run make again."
}

extension_file() {
    local suffix
    suffix=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
    printf '%s\n' "harness/coverage/_native$suffix"
}

# What the environment is made from; when this changes, it is brought up to date.
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

# A virtual environment holds absolute paths: one that was moved is worth nothing.
is_usable() {
    [ -f "$stamp" ] && [ "$(head -n 1 "$stamp")" = "$PWD" ] && "$venv/bin/python" -c '' 2>/dev/null
}

refuse_foreign() {
    if [ -e "$venv" ] && [ ! -f "$stamp" ] && [ ! -f "$unfinished" ]; then
        die "$venv is there, but make has not made it: move it away, or choose another folder" \
            "(make ... VENV=another)"
    fi
}

make_venv() {
    rm -rf -- "$venv"
    mkdir -p -- "$venv"
    touch -- "$unfinished"
    say "making $venv with $python ($python_version)"
    "$python" -m venv "$venv"
}

install() {
    touch -- "$unfinished"
    rm -f -- "$stamp" "$(extension_file)"
    "$venv/bin/python" -m pip install --disable-pip-version-check -e '.[dev,web]' "$@" || {
        say "error: the installation failed; pip's own message is above. The network is the usual"
        say "       cause. Run make again: it starts anew, with what pip has already fetched."
        exit 2
    }
    if wants_extension && [ ! -f "$(extension_file)" ]; then
        say "warning: native coverage was not built; '$venv/bin/tzer doctor' says more"
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
