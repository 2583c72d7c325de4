#!/usr/bin/env bash
# Sets up as quickstart.sh does (what is done is not done again), builds everything and runs all tests. Arguments go to ctest, for
# example: launcher/test.sh -R world_size
#   --long   also what does not fit into an hour: clang-tidy over all code, all unit tests and two mpirun tests under the sanitizers with
#            planted faults, the long fault injection, an archive on a bare machine and both containers (as root), 5,000 random files, ten
#            minutes of each fuzz target (about three hours on 2 cores)
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit ;; esac
# shellcheck source=launcher/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

long=no arguments=()
for argument; do
  if [ "$argument" = --long ]; then long=yes; else arguments+=("$argument"); fi
done

# How long this takes, before it begins. Measured on 2 cores of a server of 2023: 3 minutes for packages and wheels, 1,400 seconds of CPU
# time for the whole build, 25 minutes for the tests.
tell_minutes() {
  local cores set_up=0 build_seconds=1400 tests=25 left total
  cores=$(nproc)
  [ -e "$environment/.test_wheels" ] || set_up=3
  if [ -f "$build/build.ninja" ]; then
    left=$(ninja -C "$build" -n 2>/dev/null | grep -c 'Building CXX' || true)
    total=$(ninja -C "$build" -t targets all 2>/dev/null | grep -c '\.o: CXX_COMPILER' || true)
    [ "$total" -eq 0 ] || build_seconds=$((build_seconds * left / total))
  fi
  [ "$cores" -le 2 ] || tests=$((tests * 2 / cores + 8))        # some tests wait more than they compute
  local building=$(((build_seconds / cores + 59) / 60))
  printf 'This takes about %d minutes on %d cores of a server of 2023, twice that on an older one: set-up %d, build %d, tests %d%s.\n' \
    $((set_up + building + tests)) "$cores" "$set_up" "$building" "$tests" \
    "$([ ${#arguments[@]} -eq 0 ] || printf ' (all of them; fewer with %s)' "${arguments[*]}")"
  [ $long = no ] || echo "--long adds about three hours."
}

tell_minutes
install_system_packages "${build_packages[@]}" "${test_packages[@]}"
install_fuzzer
install_browser
install_slurm
install_test_wheels
fetch_servers
configure_and_build all
step "Testing"
# More tests than the two cores that are expected: half of a test is waiting, for processes to start and for deadlines.
ctest=(ctest --test-dir "$build" --output-on-failure --parallel 3 "${arguments[@]}")
if [ $long = no ]; then
  exec "${ctest[@]}"
fi

install_system_packages debootstrap buildah
passed=0 failed=()
check() { # NAME COMMAND...
  step "$1"
  if "${@:2}"; then passed=$((passed + 1)); else failed+=("$1"); fi
}
check "All tests" "${ctest[@]}"
check "clang-tidy" "$root/tests/checks/tidy.sh"
check "Sanitizers" "$root/tests/checks/sanitize.sh"
check "Fault injection" "$root/tests/faults/run.sh"
check "The archive on a bare machine" env VAE_DIST_BUILD="$build" "$python" "$root/tests/package/package_test.py"
check "Containers" "$python" "$root/tests/package/container_test.py"
check "Random files" env VAE_DIST_READING_FIRST=250 VAE_DIST_READING_CASES=5000 ctest --test-dir "$build" --output-on-failure -R '^reading_property_test$'
for target in "$build"/tests/fuzz/*_fuzz; do
  seeds=()
  [ "$(basename "$target")" != picture_fuzz ] || seeds=("$build/tests/fuzz/picture_seeds")
  check "$(basename "$target")" "$python" "$root/tests/fuzz/fuzz.py" "$target" 600 "${seeds[@]}"
done
for name in "${failed[@]}"; do echo "failed: $name"; done
echo "$passed passed, ${#failed[@]} failed"
[ ${#failed[@]} -eq 0 ]
