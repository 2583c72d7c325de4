# shellcheck shell=bash
# What the batch scripts of this folder share, sourced by them: a run named after its job, its ranks on all nodes of the job, the signals
# that end a part of it, and whether it shall go on after that. README.md tells why each line is there.
#
# Variables that change what happens (all optional; sbatch hands its environment on to the job):
#   VAE_DIST        the program                                                      (default: build/vae_dist in the checkout)
#   VAE_DIST_START  what starts the ranks: mpirun, or srun for `srun --mpi=pmix`      (default: mpirun)

set -uo pipefail

say() { printf 'slurm: %s\n' "$*" >&2; }
refuse() { say "$*"; exit 2; }

: "${SLURM_JOB_ID:?this is a batch script: sbatch $0 CONFIG.yaml}"
program=${VAE_DIST:-${checkout:?}/build/vae_dist}
[ -x "$program" ] || refuse "there is no program $program: build it, or set VAE_DIST to where it is"

# Prometheus shall not look for ranks that are gone. The program does this itself unless it is killed.
discovery=''
forget_targets() { if [ -n "$discovery" ]; then rm -f -- "$discovery"; fi; }

# Traps are there before anything is started. A trap runs when the command in the foreground has ended, or at once during `wait`.
ranks='' requested='' ending='' signalled=''
# Ranks that have not come to their first step know nothing of signals (mpirun would kill them with it, srun forget it): they are given time.
pass_on() {
  signalled=1
  [ -n "$ranks" ] || return
  (
    while [ "$(start_record)" = "$last_start" ]; do sleep 1; kill -0 "$ranks" || exit; done
    kill -USR1 "$ranks"
  ) 2>/dev/null &
}
request_stop() { requested=1; say "asked to stop (SIGUSR1): the ranks write a checkpoint"; pass_on; }
# Slurm ends the job: SIGKILL follows after its KillWait, 30 s by default, and then no trap is run.
end_job() { ending=1; say "Slurm ends this job (SIGTERM): the ranks write a checkpoint"; forget_targets; pass_on; }
trap request_stop USR1
trap end_job TERM
trap forget_targets EXIT

# The program names its file for Prometheus so, which takes no other names.
as_utf8() { python3 -c 'import os, sys; sys.stdout.buffer.write(os.fsencode(sys.argv[1]).decode(errors="backslashreplace").encode())' "$1" || printf %s "$1"; }

# name_run ID CONFIG.yaml [key=value ...]: the run is called <run.name>-ID, so that every part of the job with this ID finds it again.
# With run.name=... among the arguments it is called just that.
name_run() {
  local id=$1 name place given='' word values
  shift
  for word in "${@:2}"; do case $word in run.name=*) given=1 ;; esac; done
  values=$("$program" config --key run.name --key run.directory --key metrics.service_discovery --config "$@") || exit 2
  # Bytes: a name that is no UTF-8 would swallow the end of its line.
  { LC_ALL=C read -r name; LC_ALL=C read -r directory; LC_ALL=C read -r place; } <<< "$values"
  run=$name
  [ -n "$given" ] || run=$name-$id
  if [ "$place" = auto ]; then discovery=$directory/$(as_utf8 "$run").prometheus.json
  else discovery=$place/$(as_utf8 "$(id -un)-$run").prometheus.json   # a folder that several people may share
  fi
  checkpoints=$directory/$run/checkpoints
  arguments=(--config "$@" "run.name='${run//\'/\'\'}'")   # the last of several counts; a YAML text, whatever is in it
  say "job $id, started ${SLURM_RESTART_COUNT:-0} times before, is the run $directory/$run"
}

# What the run has noted of its last start, when its ranks had begun to listen.
start_record() { cat -- "$directory/$run/environment.json" 2>/dev/null; }

choose_launcher() {
  case ${VAE_DIST_START:-mpirun} in
    mpirun)
      # SIGTERM goes to every process of a job that is ended, and mpirun and its daemons would kill the ranks within two seconds of it.
      # Held back from these, it reaches the ranks alone, which take their time for a checkpoint.
      local hold=()
      if env --block-signal=TERM true 2>/dev/null; then
        hold=(env --block-signal=TERM)
        # Open MPI 4 reads the first, 5 the second, and the first as well where there is no second.
        export OMPI_MCA_orte_launch_agent=${OMPI_MCA_orte_launch_agent:-"${hold[*]} orted"}
        export PRTE_MCA_prte_launch_agent=${PRTE_MCA_prte_launch_agent:-"${hold[*]} prted"}
      fi
      # mpirun knows nodes and tasks from Slurm. Its own binding would put a rank on a single core.
      launcher=("${hold[@]}" mpirun --map-by slot --bind-to none) ;;
    srun)
      # --cpus-per-task is not handed on to srun (since Slurm 22.05). No --gpu-bind: every rank sees all GPUs of the job on its node.
      launcher=(srun --mpi=pmix --kill-on-bad-exit=1 ${SLURM_CPUS_PER_TASK:+"--cpus-per-task=$SLURM_CPUS_PER_TASK"}) ;;
    *) refuse "VAE_DIST_START is ${VAE_DIST_START}: mpirun and srun are known" ;;
  esac
}

# Complete ones have no dot in their names.
newest_checkpoint() { find "$checkpoints" -maxdepth 1 -name 'step_*' ! -name '*.*' 2>/dev/null | sort | tail -n 1; }

# train: runs the ranks to their end, whose exit code is then in `code`, and what becomes of the job in `verdict`:
#   done    nothing is left to do
#   again   there is more to do: the same command goes on from the last checkpoint
#   ended   Slurm has ended the job, and queues it again itself if it was preempted
#   failed  another try would end in the same way
train() {
  choose_launcher
  local before
  before=$(newest_checkpoint)
  last_start=$(start_record)
  if [ -n "$requested$ending" ]; then
    code=75   # before there was anything to stop
  else
    "${launcher[@]}" "$program" "${arguments[@]}" &
    ranks=$!
    # A trapped signal ends `wait`, with a code of its own, before the ranks have ended.
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
  # A rank or a node was lost. Whoever gets further from one time to the next comes to the end.
  elif [ "$(newest_checkpoint)" != "$before" ]; then verdict=again
  else verdict=failed
  fi
  say "the ranks have ended with code $code: $verdict"
}

# queue_again ID: this job is queued under the same ID. Slurm ends what is left of it now, so this comes last.
queue_again() {
  forget_targets
  trap '' TERM USR1   # there is nobody left to be told
  scontrol requeue "$1" || say "Slurm does not queue job $1 again; submit it with run.name=$run to go on"
}
