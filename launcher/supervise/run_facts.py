"""The facts about a run that the launcher needs, from the program's own reading of the configuration and from the run's directory."""
import dataclasses
import json
import os
import pathlib
import pwd
import subprocess

from supervise.hosts import Wrong

KEYS = ("run.name", "run.directory", "metrics.service_discovery", "train.global_batch", "train.batch_per_replica",
        "distributed.replicas", "distributed.reproducible", "distributed.device", "distributed.share_gpu")


@dataclasses.dataclass(frozen=True)
class RunFacts:
    path: pathlib.Path           # the run directory
    discovery_file: pathlib.Path  # where Prometheus finds the run's ranks
    replicas: int | None         # as configured; None: the number of ranks of the first start
    global_batch: int | None     # None: derived from the replicas
    reproducible: bool
    on_gpu: bool                 # if there are any GPUs
    share_gpu: bool


def user_name():
    """The user's name as in the program: the user id if the system knows no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def discovery_file(directory, name, discovery):
    """The file, with a UTF-8 name, where Prometheus finds the run's ranks. A configured folder may be shared by several users, so the name includes the user."""
    whole = name if discovery == "auto" else f"{user_name()}-{name}"
    return (directory if discovery == "auto" else pathlib.Path(discovery)) / f"{os.fsencode(whole).decode(errors='backslashreplace')}.prometheus.json"


def facts_of(printed):
    """RunFacts from the values of KEYS as `vae_dist config --key` prints them, one per line."""
    config = dict(zip(KEYS, printed.removesuffix("\n").split("\n"), strict=True))
    directory, name, discovery = pathlib.Path(config["run.directory"]), config["run.name"], config["metrics.service_discovery"]
    return RunFacts(path=directory / name,
                    discovery_file=discovery_file(directory, name, discovery),
                    replicas=None if config["distributed.replicas"] == "null" else int(config["distributed.replicas"]),
                    global_batch=int(config["train.global_batch"]) if config["train.batch_per_replica"] == "null" else None,
                    reproducible=config["distributed.reproducible"] == "true",
                    on_gpu=config["distributed.device"] != "cpu",
                    share_gpu=config["distributed.share_gpu"] == "true")


def ask_program(program, arguments):
    """RunFacts of the training that `program` would run with these arguments. Raises Wrong with the program's own error message."""
    words = [word for word in arguments if word != "--dry-run"]
    if words[:1] == ["train"]:
        words = words[1:]
    keys = [word for key in KEYS for word in ("--key", key)]
    asked = subprocess.run([program, "config", *keys, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="surrogateescape", timeout=300, check=False)
    if asked.returncode != 0:
        raise Wrong(asked.stderr.strip().removeprefix("vae_dist: "))
    return facts_of(asked.stdout)


def checkpoints(run):
    """{(step, time written)} of the complete checkpoints. The time matters because a step may be saved again after a fallback."""
    found = set()
    for manifest in (run / "checkpoints").glob("step_*/manifest.json"):
        step = manifest.parent.name.removeprefix("step_")
        try:
            if step.isdigit():
                found.add((int(step), manifest.stat().st_mtime_ns))
        except OSError:
            pass  # meanwhile deleted as an old checkpoint
    return found


def checkpoint_seconds(run):
    """How long the run's last checkpoint took to write, or None if that is unknown."""
    try:
        return float(json.loads((run / "checkpoint_time.json").read_text())["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def saved_replicas(run):
    """The number of replicas in the newest checkpoint, or None if there is no checkpoint or the number is still open."""
    for step, _ in sorted(checkpoints(run), reverse=True):
        try:
            return json.loads((run / "checkpoints" / f"step_{step:08d}" / "state.json").read_text())["replicas"] or None
        except (OSError, ValueError, KeyError):
            continue  # damaged: fall back to the previous one, like the program
    return None


def last_logged_step(run):
    """The last step in metrics.jsonl, or 0 if there is none."""
    try:
        with open(run / "metrics.jsonl", "rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - 65536))
            lines = log.read().splitlines()
    except OSError:
        return 0
    for line in reversed(lines):
        try:
            return int(json.loads(line)["step"])
        except (ValueError, KeyError, TypeError):
            continue
    return 0
