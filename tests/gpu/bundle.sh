#!/usr/bin/env bash
# Packs the GPU tests into a folder (some 50 MB) that runs on a machine where nothing can be installed or built: programs, the libraries that they and
# mpirun load, and the tests' Python files. The C library, the driver and the contents of the torch wheel are not included: the target machine needs the
# same version of torch, numpy, and a C library no older than this machine's.
#
#   tests/gpu/bundle.sh build /tmp/gpu_tests      # on this machine, after building everything
#   /tmp/gpu_tests/run.sh [SITE_PACKAGES]         # on the target machine
set -euo pipefail
[ $# -eq 2 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }

build=$(cd "$1" && pwd) bundle=$2
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
torch_site=$(sed -n 's/^VAE_DIST_TORCH_SITE:PATH=//p' "$build/CMakeCache.txt")
[ ! -e "$bundle" ] || { echo "bundle.sh: $bundle already exists" >&2; exit 2; }
mkdir -p "$bundle"/{bin,lib,tests}
bundle=$(cd "$bundle" && pwd)

cp "$build"/vae_dist{,_cuda} "$build"/tests/gpu/{gpu_test,nccl_ranks} "$build/tests/bench/bench_nccl_issue" "$bundle/bin/"
cp "$source"/tests/gpu/*.py "$source"/tests/process/{runs,ranks,comparing}.py "$bundle/tests/"
cp "$source/tests/gpu/run_bundle.sh" "$bundle/run.sh"

# Open MPI looks up its files relative to OPAL_PREFIX, so keep their paths relative to the installation prefix.
open_mpi_path() { ompi_info --path "$1" --parsable | sed 's/.*://'; }
prefix=$(open_mpi_path prefix)
for part in pkglibdir pkgdatadir; do
  folder=$(open_mpi_path $part)
  mkdir -p "$bundle/openmpi/${folder#"$prefix"/}"
  cp -L "$folder"/* "$bundle/openmpi/${folder#"$prefix"/}/" 2>/dev/null || true  # cp skips subdirectories (examples)
done
mkdir -p "$bundle/openmpi/bin"
cp "$(readlink -f "$(command -v mpirun)")" "$bundle/openmpi/bin/mpirun"
# Open MPI 5 has a different runtime (prterun, prted) with its own libraries.
orted=$(command -v orted) || { echo "bundle.sh: orted is not on the PATH; this script bundles Open MPI 4, which needs it" >&2; exit 2; }
cp "$orted" "$bundle/openmpi/bin/orted"

# ldd also lists indirect dependencies.
find "$bundle/bin" "$bundle/openmpi" -type f \( -perm -u+x -o -name '*.so*' \) -exec ldd {} + 2>/dev/null |
  awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
  { grep -vF "$torch_site/" || true; } |
  { grep -vE '/(ld-linux[^/]*|libc|libm|libdl|librt|libpthread|libresolv|libutil|libcuda|libnvidia-ml)\.so' || true; } |
  while read -r library; do cp -L "$library" "$bundle/lib/"; done

du -sh "$bundle"
