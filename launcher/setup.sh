# shellcheck shell=bash
# Installs what vae_dist needs and builds it. Sourced by quickstart.sh and test.sh; every step is skipped when it is already done.
#
# Variables that change what happens (all optional):
#   VAE_DIST_DEPS          where wheels and test servers are kept       (default: $XDG_CACHE_HOME/vae_dist or ~/.cache/vae_dist)
#   VAE_DIST_PYTHON        the Python that makes the wheels' environment (default: python3)
#   VAE_DIST_TORCH_SITE    a site-packages folder that already has torch: no wheel is installed (a conda environment, a module)
#   VAE_DIST_TORCH_INDEX   wheel index for torch, e.g. the cu126 or cu128 one for an older driver
#   VAE_DIST_SYSTEM=given  the libraries come from modules or conda (found through CMAKE_PREFIX_PATH, PKG_CONFIG_PATH): apt is left alone
#   VAE_DIST_BUILD         build folder                                  (default: build, in the checkout)

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
deps=${VAE_DIST_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/vae_dist}
build=${VAE_DIST_BUILD:-$root/build}
torch_version=2.11.0
environment=$deps/torch-$torch_version
# What only tests and checks of the code need beside torch.
# shellcheck disable=SC2034
test_wheels=("numpy==2.2.6" "h5py==3.14.0" "scikit-learn==1.7.2" "grafana-foundation-sdk==1769699379!11.6.0;python_version>='3.11'"
  "clang-format==21.1.8" "hdf5plugin==3.3.1" "jsonschema==4.26.0" "ruamel.yaml==0.19.1" "tensorboard==2.20.0"
  "safetensors==0.8.0" "flit_core==3.12.0" "onnx==1.23.2" "onnxscript==0.7.2" "onnxruntime==1.32.0")   # launcher/python and its exports

# shellcheck disable=SC2034  # the scripts that source this use them
{
build_packages=(g++ cmake ninja-build ccache pkg-config git ca-certificates python3 python3-venv
  openmpi-bin libopenmpi-dev libhdf5-dev libdeflate-dev liblzf-dev libkissfft-dev libjpeg-dev libpng-dev libzip-dev libyaml-cpp-dev libcli11-dev libspdlog-dev libfmt-dev
  nlohmann-json3-dev libcairo2-dev fonts-dejavu-core libxxhash-dev prometheus-cpp-dev libcurl4-openssl-dev libssl-dev libgtest-dev libgmock-dev libbenchmark-dev)
test_packages=(iproute2 tmux shellcheck zsh)   # hosts as network namespaces; a terminal; scripts looked at; a shell that completes
}

step() { printf '\n\033[1m== %s\033[0m (%d s)\n' "$*" "$SECONDS"; }
fail() { printf '\nsetup: %s\n' "$*" >&2; exit 2; }

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# install_system_packages PACKAGE...: those that are missing
install_system_packages() {
  [ "${VAE_DIST_SYSTEM:-}" = given ] && return
  command -v dpkg-query >/dev/null || fail "this is no Debian or Ubuntu: install the libraries yourself (names: $*) and set VAE_DIST_SYSTEM=given"
  local missing=() package
  for package; do
    is_installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null; }; then as_root=(sudo); else
      fail "these packages are missing and there is neither root nor sudo here. Ask an administrator for
  apt-get install --no-install-recommends ${missing[*]}
or give the libraries by a module or conda environment and set VAE_DIST_SYSTEM=given (launcher/setup.sh lists the variables)"
    fi
  fi
  step "Installing ${#missing[@]} system packages"
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" | grep -E '^Setting up|^E:' || true
  for package in "${missing[@]}"; do
    is_installed "$package" || fail "apt-get could not install $package"
  done
}

# For the fuzz tests: clang with libFuzzer, whose packages have their version in their names. 15 is the first that compiles our C++20.
install_fuzzer() {
  [ "${VAE_DIST_SYSTEM:-}" = given ] && return
  local version
  for version in 16 17 18 19 20 15; do
    if is_installed "clang-$version" && is_installed "libclang-rt-$version-dev"; then return; fi
  done
  for version in 16 17 18 19 20 15; do
    if apt-cache show "clang-$version" "libclang-rt-$version-dev" >/dev/null 2>&1; then install_system_packages "clang-$version" "libclang-rt-$version-dev"; return; fi
  done
  echo "setup: there is no clang from version 15 on: the fuzz tests are left out"
}

# The tests open reports in it. Ubuntu's package of that name wants snap: a chrome that is there serves as well, else that test is left out.
install_browser() {
  [ "${VAE_DIST_SYSTEM:-}" = given ] && return
  if command -v chromium google-chrome >/dev/null; then return; fi
  if apt-cache show chromium >/dev/null 2>&1; then install_system_packages chromium; return; fi
  echo "setup: there is no package chromium: the test of the report in a browser is left out"
}

# The batch scripts are tested under a Slurm that the tests start themselves: the services that come with its packages are stopped and
# stay off, unless they were here before.
install_slurm() {
  [ "${VAE_DIST_SYSTEM:-}" = given ] && return
  local service new=() as_root=()
  for service in munge slurmctld slurmd; do
    is_installed "$service" || new+=("$service")
  done
  install_system_packages slurmctld slurmd slurm-client munge
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  for service in "${new[@]}"; do
    "${as_root[@]}" service "$service" stop >/dev/null 2>&1 || true
    if [ -d /run/systemd/system ]; then "${as_root[@]}" systemctl --quiet disable "$service" || true; fi
  done
}

# CUDA 13 wheels need driver 580 or later; older drivers run older wheels of the same torch.
check_driver() {
  command -v nvidia-smi >/dev/null || return 0
  local driver
  driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1) || return 0
  local major=${driver%%.*}
  case $major in ''|*[!0-9]*) return 0 ;; esac
  [ -n "${VAE_DIST_TORCH_INDEX:-}${VAE_DIST_TORCH_SITE:-}" ] && return 0
  if [ "$major" -ge 580 ]; then echo "NVIDIA driver $driver: the default wheel (CUDA 13) fits"
  elif [ "$major" -ge 570 ]; then fail "NVIDIA driver $driver is older than the default wheel's CUDA 13 needs (580): set VAE_DIST_TORCH_INDEX to PyTorch's cu128 wheel index"
  else fail "NVIDIA driver $driver is older than the default wheel's CUDA 13 needs (580): set VAE_DIST_TORCH_INDEX to PyTorch's cu126 wheel index"
  fi
}

# torch, which the program is built with
install_torch() {
  if [ -n "${VAE_DIST_TORCH_SITE:-}" ]; then
    [ -d "$VAE_DIST_TORCH_SITE/torch/lib" ] || fail "VAE_DIST_TORCH_SITE=$VAE_DIST_TORCH_SITE has no torch/lib"
    torch_site=$VAE_DIST_TORCH_SITE
    python=${VAE_DIST_PYTHON:-python3}
    return
  fi
  check_driver
  mkdir -p "$deps"
  exec 9>"$deps/.lock"; flock 9                              # two checkouts may set up at the same time
  # The stamp says what is installed: torch, and last the index it came from.
  local stamp="$environment/.complete" wanted="torch==$torch_version ${VAE_DIST_TORCH_INDEX:-}" found
  found=$(cat "$stamp" 2>/dev/null || true)
  if [ "${found%% *} ${found##* }" != "$wanted" ]; then
    step "Installing torch $torch_version into $environment (about 4.7 GB)"
    rm -f "$stamp"
    "${VAE_DIST_PYTHON:-python3}" -m venv --clear "$environment"
    install_packages ${VAE_DIST_TORCH_INDEX:+--extra-index-url "$VAE_DIST_TORCH_INDEX"} "torch==$torch_version"
    printf '%s\n' "$wanted" > "$stamp"
  fi
  install_cuda_headers "$(echo "$environment"/lib/python3*/site-packages)"
  exec 9>&-
  python=$environment/bin/python
  torch_site=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
}

# The headers of CUDA's wheels include others, in wheels of the same release that torch does not ask for.
install_cuda_headers() {
  local site=$1 include release
  for include in "$site"/nvidia/cu[0-9]*/include; do
    if [ ! -e "$include/cuda_runtime.h" ] || { [ -e "$include/crt/host_defines.h" ] && [ -e "$include/nv/target" ]; }; then continue; fi
    install_packages "cuda-toolkit[cccl,crt]"                  # torch pins its version
  done
  for release in "$site"/nvidia_cuda_runtime_cu12-*.dist-info; do
    if [ ! -e "$release" ] || { [ -d "$site/nvidia/cuda_nvcc/include/crt" ] && [ -d "$site/nvidia/cuda_cccl/include/nv" ]; }; then continue; fi
    release=${release##*_cu12-} release=${release%.*.dist-info}
    install_packages "nvidia-cuda-nvcc-cu12==$release.*" "nvidia-cuda-cccl-cu12==$release.*"
  done
}

install_packages() { "$environment/bin/pip" install --disable-pip-version-check --no-compile -q --progress-bar on "$@"; }

# torch, and what only tests and checks need
install_test_wheels() {
  install_torch
  [ -z "${VAE_DIST_TORCH_SITE:-}" ] || return 0              # then they are the user's own
  exec 9>"$deps/.lock"; flock 9
  local stamp="$environment/.test_wheels"
  if [ "$(cat "$stamp" 2>/dev/null)" != "${test_wheels[*]}" ]; then
    step "Adding ${test_wheels[*]}"
    install_packages "${test_wheels[@]}"
    printf '%s\n' "${test_wheels[*]}" > "$stamp"
  fi
  exec 9>&-
}

# configure_and_build TARGET: vae_dist for the program alone, all for the tests too
configure_and_build() {
  local tests=OFF cache=$build/CMakeCache.txt setting changed=no
  local settings=("VAE_DIST_TORCH_SITE:PATH=$torch_site")
  if [ "$1" = all ]; then
    tests=ON
    settings+=("VAE_DIST_PROMETHEUS_SERVER:FILEPATH=$prometheus_server" "VAE_DIST_PUSHGATEWAY:FILEPATH=$pushgateway")
  fi
  # A folder that was configured for the tests stays so: the program in it is the same.
  if [ ! -f "$build/build.ninja" ] || ! grep -qE "^VAE_DIST_TESTS:BOOL=($tests|ON)$" "$cache"; then changed=yes; fi
  for setting in "${settings[@]}"; do
    grep -qsxF "$setting" "$cache" || changed=yes
  done
  if [ $changed = yes ]; then
    step "Configuring in $build"
    cmake -S "$root" -B "$build" -G Ninja -DVAE_DIST_TESTS="$tests" -DVAE_DIST_PYTHON_EXECUTABLE="$(command -v "$python")" "${settings[@]/#/-D}"
  fi
  step "Building"
  cmake --build "$build" --target "$1"
}

# fetch_server PACKAGE: sets `server` to its program, the machine's own or one that is unpacked for the tests; installing would start a service on
# the machine.
fetch_server() {
  local package=$1
  server=$(command -v "$package" || true)
  if [ -n "$server" ]; then return; fi
  server=$deps/$package/usr/bin/$package
  if [ -x "$server" ]; then return; fi
  step "Fetching $package for the tests"
  command -v apt-get >/dev/null || fail "the tests need a $package on the PATH"
  local scratch; scratch=$(mktemp -d "$deps/$package.XXXXXX")
  chmod 755 "$scratch"
  (cd "$scratch" && apt-get download -q "$package" 2>&1 | tail -n 1 && dpkg -x "${package}"_*.deb . && rm -f "${package}"_*.deb)
  rm -rf "${deps:?}/$package"
  mv "$scratch" "$deps/$package"
}

# The tests scrape with a real Prometheus, and push to a real Pushgateway.
fetch_servers() {
  fetch_server prometheus
  prometheus_server=$server
  fetch_server prometheus-pushgateway
  pushgateway=$server
}

# Plain mpirun refuses to start as root (containers) unless both are set.
if [ "$(id -u)" -eq 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
