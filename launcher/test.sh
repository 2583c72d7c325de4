#!/usr/bin/env bash
# Sets up as quickstart.sh does (what is done is not done again), builds everything and runs all tests. Arguments go to ctest, for
# example: launcher/test.sh -R world_size
set -euo pipefail
# shellcheck source=launcher/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

install_system_packages "${build_packages[@]}" "${test_packages[@]}"
install_fuzzer
install_browser
install_slurm
install_wheels
fetch_servers
configure_and_build all
step "Testing"
# More tests than the two cores that are expected: half of a test is waiting, for processes to start and for deadlines.
ctest --test-dir "$build" --output-on-failure --parallel 3 "$@"
