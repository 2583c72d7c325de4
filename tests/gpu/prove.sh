#!/usr/bin/env bash
# Proves on one GPU what can only be proven there. README.md says what is checked and how to read the results.
#   tests/gpu/prove.sh bundle FILE.tar.gz [BUILD]     where vae_dist is built: packs its GPU tests, after building everything (default: build)
#   tests/gpu/prove.sh run FILE.tar.gz OUT [OPTION...]  where the GPU is: runs them; results.jsonl in the folder OUT grows with each. OPTION: prove.py --help
# The machine with the GPU needs a Python with the same version of torch, and a C library no older than that of the machine of the build. It needs no
# MPI, no HDF5, no compiler and no network. The bundle holds programs, the distribution's libraries that they and mpirun load, and the tests' Python files.
set -euo pipefail
usage() { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
fail() { echo "prove.sh: $*" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source=$(cd "$here/../.." && pwd)
most_bytes=$((60 << 20))   # of the bundle and the repository together, so that both can be sent at once

# Left out of the bundle: the C library, the driver's libraries, and Open MPI's transports for networks that one machine does not use; they load large libraries.
left_out='/(ld-linux[^/]*|libc|libm|libdl|librt|libpthread|libresolv|libutil|libcuda|libnvidia-ml)\.so'
other_transports='/mca_[a-z]+_(ofi|psm|psm2|ucx|openib|usnic|portals4)\.so'

# Where Open MPI has its files: below its prefix, which OPAL_PREFIX replaces, so their places below it are kept.
open_mpi_path() { ompi_info --path "$1" --parsable | sed 's/.*://'; }

copy_open_mpi() { # FOLDER
  local prefix part folder file
  command -v orted >/dev/null || fail "orted is not on the PATH. Open MPI 5, which has none, cannot be bundled"
  prefix=$(open_mpi_path prefix)
  mkdir -p "$1/bin"
  for file in mpirun orted; do cp "$(readlink -f "$(command -v $file)")" "$1/bin/$file"; done
  for part in pkglibdir pkgdatadir; do
    folder=$(open_mpi_path $part)
    mkdir -p "$1/${folder#"$prefix"/}"
    find -L "$folder" -maxdepth 1 -type f | grep -vE "$other_transports" | xargs cp -L -t "$1/${folder#"$prefix"/}"
  done
}

libraries_of() { # FOLDER...: what its programs and plug-ins load, also indirectly, and is no part of the torch wheel
  find "$@" -type f \( -perm -u+x -o -name '*.so*' \) -exec ldd {} + 2>/dev/null |
    awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | { grep -vF "$torch_site/" || true; } | { grep -vE "$left_out" || true; }
}

c_library_of() { # FOLDER: the oldest C library with which its files work
  { find "$1" -type f \( -perm -u+x -o -name '*.so*' \) -exec objdump -T {} + 2>/dev/null || true; } | grep -oE 'GLIBC_[0-9.]+' | sort -uV | tail -1 | sed 's/GLIBC_//'
}

make_bundle() { # FILE BUILD
  local build bundle program library
  build=$(cd "$2" && pwd)
  torch_site=$(sed -n 's/^VAE_DIST_TORCH_SITE:[A-Z]*=//p' "$build/CMakeCache.txt")
  local programs=("$build"/vae_dist{,_cuda} "$build"/tests/gpu/{smoke,gpu_test,nccl_ranks} "$build/tests/bench/bench_nccl_issue")
  for program in "${programs[@]}"; do
    [ -x "$program" ] || fail "there is no program $program: build everything first, with a CUDA wheel of torch and -DVAE_DIST_TESTS=ON"
  done
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  bundle=$folder/vae_dist_on_gpu
  mkdir -p "$bundle"/{bin,programs,lib} "$bundle"/tests/{gpu,process,bench}

  for program in "${programs[@]}"; do strip -o "$bundle/programs/${program##*/}" "$program"; done
  copy_open_mpi "$bundle/openmpi"
  libraries_of "$bundle"/{programs,openmpi} | while read -r library; do cp -L "$library" "$bundle/lib/"; done
  strip --strip-unneeded "$bundle"/lib/*

  cp "$here"/*.py "$here"/prove.yaml "$bundle/tests/gpu/"
  cp "$source"/tests/process/{runs,ranks,deadline,comparing}.py "$bundle/tests/process/"
  cp "$source"/tests/bench/ddp_rival.py "$bundle/tests/bench/"
  install -m 755 "$here/start.sh" "$bundle/bin/with_libraries"
  for program in mpirun orted "${programs[@]##*/}"; do ln -s with_libraries "$bundle/bin/$program"; done

  c_library_of "$bundle" >"$bundle/c_library"
  tar -C "$folder" -czf "$1" vae_dist_on_gpu
  local bytes repository=0
  bytes=$(stat -c %s "$1")
  if git -C "$source" rev-parse --git-dir >/dev/null 2>&1; then
    repository=$(cd "$source" && git ls-files -z | xargs -0 stat -c %s -- 2>/dev/null | awk '{ sum += $1 } END { print sum + 0 }')
  fi
  echo "$1: $((bytes >> 20)) MiB, and the repository $((repository >> 20)) MiB; needs a C library of $(cat "$bundle/c_library") or later (glibc)"
  [ $((bytes + repository)) -le $most_bytes ] || fail "that is more than the $((most_bytes >> 20)) MiB that should travel"
}

run_bundle() { # FILE OUT OPTION...
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  tar -C "$folder" -xzf "$1"
  python3 "$folder/vae_dist_on_gpu/tests/gpu/prove.py" "${@:2}"
}

case "${1-}" in
  bundle) if [ $# -lt 2 ] || [ $# -gt 3 ]; then usage; fi; make_bundle "$2" "${3:-$source/build}" ;;
  run) if [ $# -lt 3 ]; then usage; fi; run_bundle "${@:2}" ;;
  *) usage ;;
esac
