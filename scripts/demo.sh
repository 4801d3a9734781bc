#!/usr/bin/env bash
# The demonstration: tunes a small transformer for WebAssembly and runs it; then runs a short campaign
# on the stock TVM wheel, lists its findings, and runs one reproducer as anyone else would.
#
#   scripts/demo.sh VENV FOLDER TIME JOBS
set -euo pipefail

venv=$1 folder=$2 time=$3 jobs=$4
reproducer=demo-finding.py model=demo-bert.onnx bundle=demo-bundle
# Not the user's own records, so that the demonstration shows a search.
export JITWEB_RECORDS=demo-records.sqlite3
rm -f "$JITWEB_RECORDS"*

step() { printf '\n$ %s\n' "$*"; }

step python examples/make_model.py bert -o "$model"
"$venv/bin/python" examples/make_model.py bert -o "$model"

step jitweb tune "$model" --target wasm --budget 10s -o "$bundle"
"$venv/bin/jitweb" tune "$model" --target wasm --budget 10s -o "$bundle"

step jitweb verify "$bundle"
"$venv/bin/jitweb" verify "$bundle"

step jitweb bench "$bundle" --time 2s
"$venv/bin/jitweb" bench "$bundle" --time 2s

step tzer fuzz --time "$time" --jobs "$jobs" --out "$folder"
"$venv/bin/tzer" fuzz --time "$time" --jobs "$jobs" --out "$folder"

step tzer findings "$folder"
"$venv/bin/tzer" findings "$folder"

# Findings with legal pass sequences are listed first.
id=$("$venv/bin/tzer" findings "$folder" --json | "$venv/bin/python" -c '
import json, sys
print(next((finding["id"] for finding in json.load(sys.stdin)), ""))')
if [ -z "$id" ]; then
    echo
    echo "No finding in $time. Run 'make demo' again to resume this campaign."
    exit 0
fi

step tzer repro "$folder" "$id" -o "$reproducer"
"$venv/bin/tzer" repro "$folder" "$id" -o "$reproducer"

step python "$reproducer"
status=0
"$venv/bin/python" "$reproducer" || status=$?
echo
case $status in
    1) echo "Exit status 1: finding $id shows in a fresh process. $reproducer needs only tvm and numpy." ;;
    0) echo "Exit status 0: finding $id does not show in a fresh process." ;;
    *) echo "Exit status $status: the reproducer itself failed." ;;
esac
[ "$status" = 1 ]
