#!/usr/bin/env bash
# Runs tests under AddressSanitizer with UndefinedBehaviorSanitizer (the preset asan), and under ThreadSanitizer (tsan); then plants
# faults (src/base/planted_fault.hpp) and fails unless the sanitizers find them. Suppressions: tests/checks/suppressions/.
#   tests/checks/sanitize.sh            all unit tests, ranks as threads among them, two tests with mpirun, four planted faults:
#                                       about an hour on 2 cores, half of it compiling
#   tests/checks/sanitize.sh --quick    base, comm and hdf5, which need no LibTorch, and two planted faults: three minutes
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit ;; esac
# shellcheck source=launcher/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../launcher/setup.sh"

install_test_wheels
quick=no
[ "${1:-}" != --quick ] || quick=yes

# All programs of unit tests, except those that need what ctest prepares for them: numbers of Python, a driver's library of their own.
mapfile -t everything < <(sed -n 's/^ *vae_dist_test(\([a-z0-9_]*\).*/\1/p' "$root"/tests/*/CMakeLists.txt | grep -vx -e golden_test -e nvml_test)
everything+=(mpi_collectives watchdog_ranks)
if [ $quick = yes ]; then
  asan=(base_test comm_test hdf5_test) started_by_ctest=()
  tsan=(comm_test watchdog_ranks)
else
  asan=("${everything[@]}") started_by_ctest=(golden_test nvml_test vae_dist backward_failure_ranks lost_filler_ranks)
  tsan=("${everything[@]}")
fi

suppressions=$root/tests/checks/suppressions
# Tests of memory that cannot be had expect an error of the allocation, not the sanitizer's.
export ASAN_OPTIONS=allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 LSAN_OPTIONS=suppressions=$suppressions/leak.txt:print_suppressions=0
export TSAN_OPTIONS=allocator_may_return_null=1:suppressions=$suppressions/thread.txt:exitcode=66

log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
started=0

# Open MPI unloads its plug-ins before the process ends. What they have not freed could then not be told from leaks of our own, because
# the name of a library that is gone is not known any more. With this library in front of the others, every plug-in stays.
kept_loaded=$log/keep_loaded.so
echo 'int dlclose(void* library) { (void)library; return 0; }' | gcc -shared -fPIC -x c -o "$kept_loaded" -

# start COMMAND...: in the background, as many at once as there are cores; finish() tells how they ended, in this order
start() {
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
  started=$((started + 1))
  mkdir "$log/$started"
  job "$log/$started" "$@" &
}

# job FOLDER COMMAND...: the command has the folder, `work`, for itself
job() {
  local work=$1; shift
  if "$@" > "$work/said" 2>&1; then touch "$work/passed"; fi
}

finish() {
  wait
  local i passed=0
  for ((i = 1; i <= started; i++)); do
    cat "$log/$i/said"
    [ ! -e "$log/$i/passed" ] || passed=$((passed + 1))
  done
  echo "$passed passed, $((started - passed)) failed"
  [ "$passed" -eq "$started" ]
}

# The tests that have been started so far still say how they ended.
failed_to_build() { # LOG
  cat "$1"
  finish || true
  exit 1
}

# build PRESET TARGET...
build() {
  local preset=$1; shift
  step "Building for $preset"
  # shellcheck disable=SC2154  # install_torch sets them
  cmake --preset "$preset" -S "$root" -B "$build-$preset" -DVAE_DIST_TESTS=ON -DVAE_DIST_PYTHON_EXECUTABLE="$(command -v "$python")" \
    -DVAE_DIST_TORCH_SITE:PATH="$torch_site" > "$log/configure" 2>&1 || failed_to_build "$log/configure"
  cmake --build "$build-$preset" --target "$@" > "$log/build" 2>&1 || failed_to_build "$log/build"
}

# The program of a target of a preset's build.
program() { find "$build-$1" -name "$2" -type f -perm -u+x | head -n 1; }

# The command of a target: those that need ranks have mpirun before them.
command_of() { # PRESET TARGET -> command
  local mpirun=(env LD_PRELOAD="$kept_loaded" ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0"
    mpirun --oversubscribe --bind-to none)
  case $2 in
    mpi_collectives) command=("${mpirun[@]}" -np 2 "$(program "$1" "$2")" 2) ;;
    watchdog_ranks) command=("${mpirun[@]}" -np 3 "$(program "$1" "$2")") ;;
    *) command=("$(program "$1" "$2")" --gtest_brief=1) ;;
  esac
}

# OpenMP's threads for the loops of an operation. ThreadSanitizer does not see how they wait for each other, because the OpenMP library is not
# built with it: it would take each of their accesses for a race, and spend minutes on every loop. Our own threads are another matter.
loop_threads() { # PRESET
  if [ "$1" = tsan ]; then echo 1; else echo 2; fi
}

# What a sanitizer reports, whatever the program does afterwards: watchdog_ranks fails by design.
reports() { grep -E 'WARNING: ThreadSanitizer|ERROR: (Address|Leak|Thread)Sanitizer|runtime error:' "$1"; }

# clean PRESET TARGET: passes, and no sanitizer says a word
clean() {
  local status=0 out=$work/out command
  command_of "$1" "$2"
  OMP_NUM_THREADS=$(loop_threads "$1") OMP_WAIT_POLICY=passive timeout 3600 "${command[@]}" > "$out" 2>&1 || status=$?
  [ "$2" != watchdog_ranks ] || { grep -q 'rank 1 is late' "$out" && status=0; }
  if [ "$status" -ne 0 ] || reports "$out" > /dev/null; then
    echo "FAILED $1 $2 (exit code $status)"
    grep -nE -A 40 'WARNING: ThreadSanitizer|ERROR: (Address|Leak|Thread)Sanitizer|runtime error:|Assertion|FAILED' "$out" | head -n 150
    return 1
  fi
  echo "clean  $1 $2"
}

# found PRESET TARGET FAULT WHERE [FILTER]: with FAULT planted the sanitizer reports it, in the file WHERE
found() {
  local out=$work/out command
  command_of "$1" "$2"
  VAE_DIST_PLANTED_FAULT=$3 OMP_NUM_THREADS=$(loop_threads "$1") OMP_WAIT_POLICY=passive timeout 600 "${command[@]}" ${5:+--gtest_filter="$5"} > "$out" 2>&1 || true
  # The file stands in the stack below the report, at whatever depth the compiler left it.
  grep -E -A 30 'data race|AddressSanitizer|runtime error' "$out" > "$work/reports" || true
  if ! grep -q "$4" "$work/reports"; then
    echo "FAILED $1 does not find the planted fault '$3' in $4"
    tail -n 20 "$out"
    return 1
  fi
  echo "found  $1 the planted fault '$3': $(head -n 1 "$work/reports" | sed 's/ (pid=.*//; s/==[0-9]*==//; s/ on address.*//'), in $4"
}

# Training, golden numbers, and real ranks that train, fail and stream.
with_mpirun() {
  LD_PRELOAD=$kept_loaded ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 \
    ctest --test-dir "$build-asan" --output-on-failure -R '^(golden_numbers|golden_test\..*|nvml_test\..*|world_size_test|streaming_test)$' > "$work/out" 2>&1 ||
    { cat "$work/out"; return 1; }
  echo "clean  asan $(grep -c ' Passed ' "$work/out") tests: golden numbers, NVML, world_size_test and streaming_test with mpirun"
}

build asan "${asan[@]}" "${started_by_ctest[@]}"
for target in "${asan[@]}"; do start clean asan "$target"; done
start found asan hdf5_test reader stored_rows.cpp
[ $quick = yes ] || start with_mpirun

build tsan "${tsan[@]}"
start found tsan watchdog_ranks watchdog watchdog.cpp
for target in "${tsan[@]}"; do start clean tsan "$target"; done
if [ $quick = no ]; then
  start found tsan data_test chunk_ring chunk_ring.cpp 'ChunkRingTest.Gives*'
  start found tsan parallel_test reducer cpu_exchange.cpp '*Reducing*'
fi
finish
