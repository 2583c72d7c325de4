#!/bin/bash
# Compares vae_dist with the same training in PyTorch's DistributedDataParallel (ddp_rival.py), in turns, in one run. Prints medians and ratios.
#   tests/bench/side_by_side.sh                  VanillaVAE 64x64x3 on 2 ranks of one thread each, resnet_vae and the MLP of MNIST's size on one
#   tests/bench/side_by_side.sh --gpu            on one GPU, 64 and 512 images
#   tests/bench/side_by_side.sh --gpu --ranks 8  on eight
# --pairs N sets the rounds, --only REGEX selects contestants by name, --json FILE stores every single figure. A contestant that fails drops out; if it
# is one of ours, the exit code is 1. The program is build/vae_dist (VAE_DIST_BINARY), the Python that of set-up (VAE_DIST_PYTHON).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=${VAE_DIST_BINARY:-$root/build/vae_dist}
[[ -x $binary ]] || { echo "there is no program $binary: build it (./launcher/quickstart.sh), or name it in VAE_DIST_BINARY" >&2; exit 2; }
if [[ -z ${VAE_DIST_PYTHON:-} && -f $root/build/CMakeCache.txt ]]; then
  VAE_DIST_PYTHON=$(sed -n 's/^VAE_DIST_PYTHON_EXECUTABLE:[A-Z]*=//p' "$root/build/CMakeCache.txt")
fi
exec "${VAE_DIST_PYTHON:-python3}" "$here/side_by_side.py" --binary "$binary" "$@"
