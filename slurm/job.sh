# shellcheck shell=bash
# Sourced by the batch scripts of this folder. It names the run after its job, starts the ranks on all nodes, handles the signals that end a part of
# the job, and decides whether to continue after that. README.md explains the reason for each line.
#
# Optional environment variables (sbatch passes its environment on to the job):
#   VAE_DIST        path of the program                                              (default: build/vae_dist in the checkout)
#   VAE_DIST_START  starts the ranks: mpirun, or srun for `srun --mpi=pmix`           (default: mpirun)

set -uo pipefail

say() { printf 'slurm: %s\n' "$*" >&2; }
refuse() { say "$*"; exit 2; }

: "${SLURM_JOB_ID:?this is a batch script: sbatch $0 CONFIG.yaml}"
program=${VAE_DIST:-${checkout:?}/build/vae_dist}
[ -x "$program" ] || refuse "cannot execute $program: build it, or set VAE_DIST to the path of the program"

# Keeps Prometheus from scraping ranks that are gone. The program removes the file itself unless it is killed.
discovery=''
forget_targets() { if [ -n "$discovery" ]; then rm -f -- "$discovery"; fi; }

# Set the traps before starting anything. A trap runs after the current foreground command, or immediately during `wait`.
ranks='' requested='' ending='' signalled=''
# Before its first step a rank does not handle signals (mpirun would kill it with the signal, srun would drop the signal), so wait until then.
pass_on() {
  signalled=1
  [ -n "$ranks" ] || return
  (
    while [ "$(start_record)" = "$last_start" ]; do sleep 1; kill -0 "$ranks" || exit; done
    kill -USR1 "$ranks"
  ) 2>/dev/null &
}
request_stop() { requested=1; say "asked to stop (SIGUSR1): the ranks write a checkpoint"; pass_on; }
# Slurm ends the job: SIGKILL follows after KillWait, 30 s by default, and then no trap runs.
end_job() { ending=1; say "Slurm ends this job (SIGTERM): the ranks write a checkpoint"; forget_targets; pass_on; }
trap request_stop USR1
trap end_job TERM
trap forget_targets EXIT

# Converts a name to UTF-8 like the program does for its Prometheus file, because Prometheus accepts no other names.
as_utf8() { python3 -c 'import os, sys; sys.stdout.buffer.write(os.fsencode(sys.argv[1]).decode(errors="backslashreplace").encode())' "$1" || printf %s "$1"; }

# name_run ID CONFIG.yaml [key=value ...]: names the run <run.name>-ID, so that every part of the job with this ID finds it again. A run.name=...
# among the arguments is used unchanged.
name_run() {
  local id=$1 name place given='' word values
  shift
  for word in "${@:2}"; do case $word in run.name=*) given=1 ;; esac; done
  values=$("$program" config --key run.name --key run.directory --key metrics.service_discovery --config "$@") || exit 2
  # LC_ALL=C reads bytes: a name that is not UTF-8 could swallow the end of its line.
  { LC_ALL=C read -r name; LC_ALL=C read -r directory; LC_ALL=C read -r place; } <<< "$values"
  run=$name
  [ -n "$given" ] || run=$name-$id
  if [ "$place" = auto ]; then discovery=$directory/$(as_utf8 "$run").prometheus.json
  else discovery=$place/$(as_utf8 "$(id -un)-$run").prometheus.json   # a folder that several users may share
  fi
  checkpoints=$directory/$run/checkpoints
  arguments=(--config "$@" "run.name='${run//\'/\'\'}'")   # the last run.name wins; quoted as a YAML string
  say "job $id, started ${SLURM_RESTART_COUNT:-0} times before, is the run $directory/$run"
}

# Prints the run's record of its last start. The ranks write it once they handle signals.
start_record() { cat -- "$directory/$run/environment.json" 2>/dev/null; }

choose_launcher() {
  case ${VAE_DIST_START:-mpirun} in
    mpirun)
      # When Slurm ends a job, every process gets SIGTERM, and mpirun and its daemons would kill the ranks within two seconds. Blocked for these, the
      # signal reaches only the ranks, which have time to write a checkpoint.
      local hold=()
      if env --block-signal=TERM true 2>/dev/null; then
        hold=(env --block-signal=TERM)
        # Open MPI 4 reads the first variable; 5 reads the second, or the first if the second is not set.
        export OMPI_MCA_orte_launch_agent=${OMPI_MCA_orte_launch_agent:-"${hold[*]} orted"}
        export PRTE_MCA_prte_launch_agent=${PRTE_MCA_prte_launch_agent:-"${hold[*]} prted"}
      fi
      # mpirun gets the nodes and tasks from Slurm. Its default binding would put each rank on a single core; bound_rank.py binds it beside its GPU.
      launcher=("${hold[@]}" mpirun --map-by slot --bind-to none) ;;
    srun)
      # Since Slurm 22.05, srun does not inherit --cpus-per-task. No --gpu-bind: NCCL works best where every rank sees all GPUs of the job on its node.
      launcher=(srun --mpi=pmix --kill-on-bad-exit=1 ${SLURM_CPUS_PER_TASK:+"--cpus-per-task=$SLURM_CPUS_PER_TASK"}) ;;
    *) refuse "VAE_DIST_START is ${VAE_DIST_START}: set it to mpirun or srun" ;;
  esac
  # As under vae_launch: each rank runs on the cores beside its GPU, or of a NUMA node, as far as the job has them.
  local folder
  for folder in "$checkout/launcher/supervise" "$checkout/supervise"; do   # in a checkout, and as installed
    if [ -x "$folder/bound_rank.py" ] && command -v python3 > /dev/null; then launcher+=("$folder/bound_rank.py"); break; fi
  done
}

# When a rank is lost, mpirun kills the others after twice this delay. They save the last step before that, which takes about as long as the last checkpoint
# did, and leave as soon as they have.
give_time_to_save() {
  local took
  took=$(sed -n 's/^{"seconds":\([0-9.e+-]*\)}$/\1/p' "$directory/$run/checkpoint_time.json" 2>/dev/null)
  took=$(awk -v took="${took:-4.65}" 'BEGIN { delay = (0.7 + 2 * took) / 2; whole = int(delay); print (whole < delay ? whole + 1 : whole) }')
  # Open MPI 4 reads the first variable, 5 the second.
  export OMPI_MCA_odls_base_sigkill_timeout=${OMPI_MCA_odls_base_sigkill_timeout:-$took}
  export PRTE_MCA_odls_base_sigkill_timeout=${PRTE_MCA_odls_base_sigkill_timeout:-$took}
}

# Complete checkpoints have no dot in their names.
newest_checkpoint() { find "$checkpoints" -maxdepth 1 -name 'step_*' ! -name '*.*' 2>/dev/null | sort | tail -n 1; }

# train: runs the ranks until they exit. Sets `code` to their exit code and `verdict` to the fate of the job:
#   done    nothing is left to do
#   again   the run is not finished: the same command continues from the last checkpoint
#   ended   Slurm ended the job, and requeues it itself if it was preempted
#   failed  another attempt would fail in the same way
train() {
  choose_launcher
  give_time_to_save
  local before
  before=$(newest_checkpoint)
  last_start=$(start_record)
  if [ -n "$requested$ending" ]; then
    code=75   # the stop request came before the ranks were started
  else
    "${launcher[@]}" "$program" "${arguments[@]}" &
    ranks=$!
    # A trapped signal makes `wait` return early, with its own code, while the ranks still run.
    while :; do
      signalled=''
      wait "$ranks"
      code=$?
      [ -n "$signalled" ] || break
    done
    ranks=''
  fi

  if [ "$code" -eq 0 ]; then verdict='done'
  elif [ -n "$ending" ]; then verdict=ended
  elif [ "$code" -eq 75 ]; then verdict=again
  elif [ "$code" -eq 2 ]; then verdict=failed
  # A rank or a node was lost. Retry as long as each attempt makes progress.
  elif [ "$(newest_checkpoint)" != "$before" ]; then verdict=again
  else verdict=failed
  fi
  say "the ranks have ended with code $code: $verdict"
}

# queue_again ID: requeues this job under the same ID. Slurm then kills what is left of it, so call this last.
queue_again() {
  forget_targets
  trap '' TERM USR1   # no ranks are left to notify
  scontrol requeue "$1" || say "Slurm did not requeue job $1; submit it again with run.name=$run to continue"
}
