#!/usr/bin/env bash
# Runs the GPU tests packed by bundle.sh: run.sh [SITE_PACKAGES [TEST...]]. SITE_PACKAGES is the folder that holds torch/ and nvidia/ (default: found
# by python3). TEST... selects tests by name. Returns 0 if all passed and 77 if nothing was run because there is no GPU.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
site=${1:-$(python3 -c 'import importlib.util, os; print(os.path.dirname(os.path.dirname(importlib.util.find_spec("torch").origin)))' 2>/dev/null)}
[ -d "$site/torch/lib" ] || { echo "run.sh: torch was not found; give the site-packages folder that holds torch/ and nvidia/" >&2; exit 2; }
shift || true

libraries=$here/lib:$site/torch/lib
for folder in "$site"/nvidia/*/lib; do libraries=$libraries:$folder; done
export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export PATH=$here/openmpi/bin:$PATH OPAL_PREFIX=$here/openmpi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 PMIX_MCA_pcompress_base_silence_warning=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
export VAE_DIST_BINARY=$here/bin/vae_dist VAE_DIST_SOURCE=$here

run() {
  case $1 in
    nccl_ranks_np*) mpirun --oversubscribe --bind-to none -np "${1#nccl_ranks_np}" "$here/bin/nccl_ranks" "${1#nccl_ranks_np}" ;;
    gpu_test) "$here/bin/gpu_test" ;;
    bench_nccl_issue) mpirun --oversubscribe --bind-to none -np 2 "$here/bin/bench_nccl_issue" ;;
    *) python3 "$here/tests/run_on_gpu.py" "$1" ;;
  esac
}

[ $# -gt 0 ] || set -- gpu_test nccl_ranks_np2 nccl_ranks_np4 gpu_training_test gpu_failure_test bench_nccl_issue
summary="" worst=0
for name in "$@"; do
  echo "== $name"
  run "$name"
  code=$?
  case $code in 0) word=passed ;; 77) word="not run" ;; *) word="FAILED ($code)" ;; esac
  summary+="$word: $name ($SECONDS s)"$'\n'
  # A failure outweighs a test that was not run.
  if [ $worst -eq 0 ] || { [ $worst -eq 77 ] && [ $code -ne 0 ]; }; then worst=$code; fi
done
printf '\n%s' "$summary"
exit $worst
