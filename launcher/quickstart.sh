#!/usr/bin/env bash
# From a fresh machine to a trained VAE: installs what is missing, builds, makes the built-in dataset and trains on it for about a
# minute and a half, on all GPUs, or on 2 CPU ranks where there is none. What is done already is not done again. Arguments are keys of the
# configuration: launcher/quickstart.sh train.steps=2000
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit ;; esac
# shellcheck source=launcher/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

install_system_packages "${build_packages[@]}"
install_torch
configure_and_build vae_dist
cd "$root"

data=data/shapes.h5
if [ ! -f "$data" ]; then
  step "Making the dataset: 20,000 pictures of shapes"
  "$build/vae_dist" data make-shapes "$data"
fi

# The largest power of two up to 8: it divides the global batch of 64.
ranks=2 device=cpu
if gpus=$(nvidia-smi -L 2>/dev/null | grep -c '^GPU') && [ "$gpus" -gt 0 ]; then
  ranks=1 device=cuda
  while [ $((ranks * 2)) -le "$gpus" ] && [ "$ranks" -lt 8 ]; do ranks=$((ranks * 2)); done
fi

step "Training on $ranks ranks ($device)"
# Ctrl-C stops it after the step with a checkpoint, and this script goes on from there when it is started again.
command=(launcher/vae_launch --program "$build/vae_dist" --np "$ranks" -- --config configs/quickstart.yaml distributed.device="$device" "$@")
printf '%q ' "${command[@]}"; echo
"${command[@]}"

step "Done"
"$python" - runs/quickstart <<'PYTHON'
import json, pathlib, sys
run = pathlib.Path(sys.argv[1])
last = [r for r in map(json.loads, (run / "metrics.jsonl").read_text().splitlines()) if "evaluated" in r][-1]
mse, mean = last["evaluation_mse"], last["mean_image_mse"]
print(f"""
  reconstruction MSE   {mse:.4f}  ({mse / mean:.2f} of the mean image's {mean:.4f}), on {last["samples"]} pictures it was not trained on
  KL divergence        {last["evaluation_kld"]:.1f} nats per picture
  pictures             {run}/pictures/  ({", ".join(sorted(p.name for p in (run / "pictures").glob("*.png"))[-4:])})
  checkpoint           {sorted((run / "checkpoints").glob("step_*"))[-1]}

What to try next:
  build/vae_dist sample --checkpoint {run} --count 64 --out samples.png
  launcher/vae_launch --np 2 -- --config configs/quickstart.yaml train.steps=2000   # goes on from the checkpoint
  build/vae_dist config > my.yaml                                                   # every key; put your own HDF5 file into data.train.file
""")
PYTHON
