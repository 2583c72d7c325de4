#!/usr/bin/env bash
# clang-tidy over src/, datasets/ and launcher/, by .clang-tidy; exit code 1 where it finds anything, or more than ten NOLINT, or one without its
# reason. About half an hour on 2 cores: reading LibTorch's headers is nearly all of it.
#   tests/checks/tidy.sh [--fix] [REGEX]     REGEX: of files, or of rooms; --fix lets clang-tidy change what it can
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit ;; esac
# shellcheck source=launcher/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../launcher/setup.sh"
tidy_version=21.1.6

fix=()
if [ "${1:-}" = --fix ]; then fix=(--fix); shift; fi
install_torch
install_packages "clang-tidy==$tidy_version"

cd "$root"
reasons=$(grep -rn 'NOLINT' src datasets launcher --include='*.cpp' --include='*.hpp' | grep -v 'NOLINTEND' || true)
count=$(printf '%s' "$reasons" | grep -c . || true)
without=$(printf '%s\n' "$reasons" | grep -vE 'NOLINT(NEXTLINE|BEGIN)?\([a-z0-9., -]+\): .' | grep . || true)
if [ "$count" -gt 10 ] || [ -n "$without" ]; then
  printf 'tidy: %d NOLINT (at most 10), without a check'\''s name and a reason:\n%s\n' "$count" "$without" >&2
  exit 1
fi

# A build folder of its own, without gcc's precompiled header. As in the build, several files are read together: LibTorch's headers are most of
# the work.
folder=$build-tidy
cmake -S "$root" -B "$folder" -G Ninja -DVAE_DIST_TESTS=OFF -DVAE_DIST_PYTHON_EXECUTABLE="$(command -v "$python")" -DVAE_DIST_TORCH_SITE="$torch_site" \
  -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON > /dev/null 2>&1
cmake --build "$folder" --target vae_dist_revision > /dev/null
"$python" - "$folder" "${1:-.}" > "$folder/files.txt" <<'PYTHON'
import json, pathlib, re, sys
folder = pathlib.Path(sys.argv[1])
for entry in json.loads((folder / "compile_commands.json").read_text()):
    if re.search(sys.argv[2], entry["file"]) and not entry["file"].endswith("build_id.cpp"):
        print(entry["file"])
PYTHON
echo "clang-tidy: $(sort -u "$folder/files.txt" | wc -l) units"
# clang has no omp.h of its own; gcc's comes last, so that its other headers stay unseen.
openmp=$(dirname "$(g++ -print-file-name=include/omp.h)")
sort -u "$folder/files.txt" | xargs -P "$(nproc)" -n 1 "$environment/bin/clang-tidy" -p "$folder" --quiet "${fix[@]}" \
  --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-ignored-optimization-argument --extra-arg=-idirafter"$openmp"
