#!/usr/bin/env bash
# Runs the fault tests with many faults each, in about half an hour on two cores, and prints the README's table at the end.
#   tests/faults/run.sh [SEED]     after launcher/test.sh has built the tests; set VAE_DIST_BUILD for another build folder
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${VAE_DIST_BUILD:-$root/build}
seed=${1:-1265}

records=$(mktemp)
trap 'rm -f "$records"' EXIT
export VAE_DIST_FAULT_SEED=$seed VAE_DIST_FAULT_LONG=1 VAE_DIST_FAULT_RECORDS=$records

tests=()
for file in "$here"/*_test.py; do tests+=("$(basename "$file" .py)"); done
pattern=$(IFS='|'; echo "${tests[*]}")
status=0
ctest --test-dir "$build" --output-on-failure -R "^($pattern)\$" || status=$?

printf '\nSeed %s\n\n' "$seed"
python3 "$here/table.py" "$records"
exit "$status"
