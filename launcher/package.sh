#!/usr/bin/env bash
# Makes an archive from a finished build, which runs on another machine of the same distribution without a compiler:
#   launcher/package.sh [--cpu] [OUT.tar.gz]     default: vae_dist-VERSION-DISTRIBUTION-ARCHITECTURE[-cpu].tar.gz; OUT/ makes a folder instead
#   --cpu: without the program for GPUs and its libraries: 0.1 GB instead of 2.3 GB
# In it are the programs, the libraries that no package of the distribution has (LibTorch's), the configurations with the schema and the
# monitoring, the batch scripts, the Python package where there is one, and install.sh, which names or installs the distribution's packages.
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit ;; esac
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${VAE_DIST_BUILD:-$root/build}

fail() { printf 'package: %s\n' "$*" >&2; exit 2; }

cpu=no out=''
for argument; do
  case $argument in
    --cpu) cpu=yes ;;
    -*) fail "there is no option $argument (--help says what there is)" ;;
    *) out=$argument ;;
  esac
done
[ -x "$build/vae_dist" ] || fail "there is no program $build/vae_dist: launcher/quickstart.sh builds it, and VAE_DIST_BUILD names another build folder"
command -v dpkg-query >/dev/null || fail "this is no Debian or Ubuntu, whose packages the archive's install.sh would ask for"
site=$(sed -n 's/^VAE_DIST_TORCH_SITE:PATH=//p' "$build/CMakeCache.txt")
[ -d "$site/torch/lib" ] || fail "the torch that $build was built with is gone: ${site:-no folder is named}/torch/lib"

version=$("$build/vae_dist" --version | cut -d' ' -f2)
# shellcheck source=/dev/null
distribution=$(. /etc/os-release && echo "$ID$VERSION_ID")
name=vae_dist-$version-$distribution-$(dpkg --print-architecture)
if [ $cpu = yes ]; then name+=-cpu; fi
out=${out:-$name.tar.gz}
[[ $out != */ || ! -e $out ]] || fail "$out exists: name a folder that does not"
umask 022
scratch=$(mktemp -d)
trap 'rm -rf "$scratch" "$out.part"' EXIT
stage=$scratch/$name

# Installed programs look for libraries beside themselves first (CMAKE_INSTALL_RPATH).
cmake --install "$build" --prefix "$stage" --strip >/dev/null
programs=("$stage/bin/vae_dist")
if [ $cpu = yes ]; then rm -f "$stage/bin/vae_dist_cuda"; elif [ -x "$stage/bin/vae_dist_cuda" ]; then programs+=("$stage/bin/vae_dist_cuda"); fi
mkdir -p "$stage/share/vae_dist/python"
tar -C "$root/launcher/python" --exclude=__pycache__ --exclude='*.egg-info' --exclude=build -cf - . | tar -C "$stage/share/vae_dist/python" -xf -
cp "$root/launcher/package_install.sh" "$stage/install.sh"
chmod -R u=rwX,go=rX "$stage"
chmod 755 "$stage/install.sh"
cp "$root/README.md" "$stage/share/vae_dist/"

# Of each library: its package, or a copy. The wheels' libraries find each other by where they lie in the site, so they lie so here.
packages=(openmpi-bin openmpi-common fonts-dejavu-core python3 ca-certificates)
declare -A copied=()
needed=$(ldd "${programs[@]}")
if lost=$(grep 'not found' <<< "$needed"); then fail "the programs need libraries that are not there: $lost"; fi
mpi=$(sed -n 's/.*libmpi.*\.so[.0-9]* => \(\/[^ ]*\) .*/\1/p' <<< "$needed" | head -n 1)
if ! dpkg-query -S "$(realpath "$mpi")" >/dev/null 2>&1 && ! dpkg-query -S "/usr$(realpath "$mpi")" >/dev/null 2>&1 && ! dpkg-query -S "$mpi" >/dev/null 2>&1; then
  fail "the build uses an MPI of your own, $mpi, which another machine would not have: build with the distribution's"
fi
while read -r library; do
  [ -n "$library" ] || continue
  real=$(realpath "$library")
  # On a merged /usr a package may have registered the other name of the folder.
  if package=$(dpkg-query -S "$library" 2>/dev/null || dpkg-query -S "$real" 2>/dev/null || dpkg-query -S "/usr$library" 2>/dev/null || dpkg-query -S "${real#/usr}" 2>/dev/null); then
    packages+=("$(head -n 1 <<< "$package" | cut -d: -f1)")
  else
    case $library in
      "$site"/*) folder=$(realpath -m --relative-to="$site" "$(dirname "$library")") ;;
      *) folder=other ;;
    esac
    target=$stage/lib/$folder/$(basename "$library")
    [ -z "${copied[$target]:-}" ] || continue
    copied[$target]=yes
    mkdir -p "$(dirname "$target")"
    cp -L "$library" "$target"
  fi
done < <(sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' <<< "$needed" | sort -u)
if [ ${#programs[@]} -gt 1 ]; then
  # What LibTorch and CUDA's libraries load by name when they need it.
  for library in "$site"/torch/lib/libcaffe2_nvrtc.so "$site"/torch/lib/libtorch_cuda_linalg.so; do
    if [ -e "$library" ]; then cp -L "$library" "$stage/lib/torch/lib/"; fi
  done
  for folder in "$site"/nvidia/*/lib; do
    mkdir -p "$stage/lib/nvidia/$(basename "$(dirname "$folder")")"
    cp -rL "$folder" "$stage/lib/nvidia/$(basename "$(dirname "$folder")")/"
  done
fi
printf '%s\n' "${packages[@]}" | sort -u > "$stage/share/vae_dist/packages.txt"
echo "$distribution" > "$stage/share/vae_dist/distribution.txt"

if [[ $out == */ ]]; then
  mkdir -p "$(dirname "$out")"
  mv -T "$stage" "${out%/}"
  stage=${out%/}
else
  tar -C "$scratch" --owner=0 --group=0 -czf "$out.part" "$name"
  mv "$out.part" "$out"
fi
echo "$out: $(du -sh "$out" | cut -f1), $(du -sh "$stage" | cut -f1) unpacked; install.sh in it asks for $(wc -l < "$stage/share/vae_dist/packages.txt") packages of the distribution"
