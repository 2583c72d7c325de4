#!/usr/bin/env bash
# Formats all C++ by .clang-format, with the version of clang-format that launcher/setup.sh names.
#   tests/checks/format.sh            changes the files
#   tests/checks/format.sh --check    says what it would change; exit code 1 if anything
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit ;; esac
# shellcheck source=launcher/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../launcher/setup.sh"

install_test_wheels   # nothing to do where they are there already
cd "$root"
mode=(-i)
[ "${1:-}" != --check ] || mode=(--dry-run --Werror)
# The files of the checkout, whether git knows them already or not.
find src datasets launcher tests \( -name '*.cpp' -o -name '*.hpp' -o -name '*.c' \) -print0 | xargs -0 -P "$(nproc)" -n 40 "$environment/bin/clang-format" "${mode[@]}"
