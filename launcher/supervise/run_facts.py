"""What the launcher needs to know of a run: from the program's own reading of the configuration, and from the run's directory."""
import dataclasses
import json
import pathlib
import re
import subprocess

from supervise.hosts import Wrong


def plain_value(text):
    """A value as `vae_dist config` prints it: null, true, 64, plain, or "with \\"quotes\\"". Lists stay text."""
    if text.startswith('"'):
        quoted = re.match(r'"((?:[^"\\]|\\.)*)"', text)[1]
        return re.sub(r"\\(x[0-9a-f]{2}|.)", lambda escape: chr(int(escape[1][1:], 16)) if len(escape[1]) == 3 else escape[1], quoted)
    text = text.partition(" #")[0].strip()
    words = {"null": None, "true": True, "false": False}
    if text in words:
        return words[text]
    return int(text) if re.fullmatch(r"-?\d+", text) else text


def parse_printed_config(text):
    """{"run.name": "shapes", ...} of what `vae_dist config` prints. Not YAML in general: that program's own form, two blanks a level."""
    values, sections = {}, []
    for line in text.splitlines():
        found = re.fullmatch(r"( *)(\w+):(?: (.*))?", line)
        if not found:
            continue
        depth = len(found[1]) // 2
        sections = sections[:depth] + [found[2]]
        if found[3] is not None:
            values[".".join(sections)] = plain_value(found[3])
    return values


@dataclasses.dataclass(frozen=True)
class RunFacts:
    path: pathlib.Path           # the run directory
    discovery_file: pathlib.Path  # where Prometheus finds the run's ranks
    replicas: int | None         # as configured; None: the first start makes it the number of ranks
    global_batch: int | None     # None: it follows from the replicas
    reproducible: bool
    on_gpu: bool                 # where there are any
    share_gpu: bool


def facts_of(config):
    """From a parsed configuration."""
    directory, name = pathlib.Path(config["run.directory"]), config["run.name"]
    discovery = config["metrics.service_discovery"]
    return RunFacts(path=directory / name,
                    discovery_file=(directory if discovery == "auto" else pathlib.Path(discovery)) / f"{name}.prometheus.json",
                    replicas=config["distributed.replicas"],
                    global_batch=None if config.get("train.batch_per_replica") else config["train.global_batch"],
                    reproducible=config["distributed.reproducible"],
                    on_gpu=config["distributed.device"] != "cpu",
                    share_gpu=config["distributed.share_gpu"])


def ask_program(program, arguments):
    """RunFacts of the training that `program` would do with these arguments. Raises Wrong with the program's own complaint."""
    words = [word for word in arguments if word != "--dry-run"]
    if words[:1] == ["train"]:
        words = words[1:]
    asked = subprocess.run([program, "config", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    if asked.returncode != 0:
        raise Wrong(asked.stderr.strip().removeprefix("vae_dist: "))
    return facts_of(parse_printed_config(asked.stdout))


def checkpoints(run):
    """What identifies each complete checkpoint: its step and when it was written. After a fall-back a step may be saved again."""
    found = set()
    for manifest in (run / "checkpoints").glob("step_*/manifest.json"):
        step = manifest.parent.name.removeprefix("step_")
        try:
            if step.isdigit():
                found.add((int(step), manifest.stat().st_mtime_ns))
        except OSError:
            pass  # it was removed as too old meanwhile
    return found


def saved_replicas(run):
    """The replicas that the newest checkpoint was trained with; None: there is none, or they are open."""
    for step, _ in sorted(checkpoints(run), reverse=True):
        try:
            return json.loads((run / "checkpoints" / f"step_{step:08d}" / "state.json").read_text())["replicas"] or None
        except (OSError, ValueError, KeyError):
            continue  # damaged: the program falls back too
    return None


def last_logged_step(run):
    """The last step in metrics.jsonl; 0: none yet."""
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
