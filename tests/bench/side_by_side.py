"""Runs vae_dist and its rival in turns and prints their figures: see side_by_side.sh."""
import argparse
import dataclasses
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile

import h5py
import numpy

HERE = os.path.dirname(os.path.abspath(__file__))
GPU_STEPS = 500
# What vae_dist sets for itself: large blocks stay with the process, where glibc maps and clears them anew in every step.
KEEP_FREED_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
ROOT_MAY_START_MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


@dataclasses.dataclass
class Contestant:
    name: str
    ranks: int
    command: list
    captures: bool = False  # its steps must be CUDA graphs
    results: list = dataclasses.field(default_factory=list)
    failure: str = ""       # why it no longer runs

    def run(self, folder):
        """Runs once and keeps the JSON object. A contestant that fails drops out, and the others go on: torch.compile needs a compiler, one of ours may
        need what this machine has not."""
        file = os.path.join(folder, "figures.json")
        command = [file if word == "{json}" else word for word in self.command]
        environment = os.environ | {"OMP_NUM_THREADS": "1"} | KEEP_FREED_MEMORY | (ROOT_MAY_START_MPI if os.geteuid() == 0 else {})
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)
        said = f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        if done.returncode:
            self.failure = f"ended with {done.returncode}: {said}"
            return
        if self.is_ours:
            with open(file) as f:
                result = json.load(f)
            if self.captures and not result["captured"]:
                self.failure = f"has steps that are no CUDA graphs, although they should be: {said}"
                return
        else:
            result = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
        self.results.append(result)

    @property
    def is_ours(self):
        return "{json}" in self.command

    def median(self, figure):
        return statistics.median(result[figure] for result in self.results)


def make_colour_pictures(binary, file, count):
    """Makes pictures of 64x64x3, gzip, 64 images per chunk."""
    subprocess.run([binary, "data", "make-shapes", file, "--count", str(count), "--size", "64", "--channels", "3"], check=True, capture_output=True)
    with h5py.File(file, "r+") as f:
        images = f["imgs"][...]
        del f["imgs"]
        f.create_dataset("imgs", data=images, chunks=(64, 64, 64, 3), compression="gzip")


def make_digit_sized_pictures(file, count):
    """Makes pictures of 28x28 with as much white as digits have: 19 % of the pixels."""
    images = numpy.random.default_rng(0).random((count, 28, 28)) < 0.19
    with h5py.File(file, "w") as f:
        f.create_dataset("imgs", data=images.astype(numpy.uint8) * 255, chunks=(100, 28, 28), compression="gzip")


def ours(name, options, ranks, config, words, bench=(), captures=False):
    steps = ["--steps", str(options.steps), "--warm-up", str(options.warm_up)]
    launch = [] if ranks == 1 else ["mpirun", "-np", str(ranks), "--bind-to", "none" if options.gpu else "core"]
    return Contestant(name, ranks, [*launch, options.binary, "bench", "--config", config, *steps, *bench, "--json", "{json}", "--overwrite", *words], captures)


def free_port():
    """Returns a free port. A fixed one might be in use by another benchmark on this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def theirs(name, options, ranks, data, batch, words):
    steps = ["--steps", str(options.steps), "--warm-up", str(options.warm_up)]
    launch = [] if ranks == 1 else ["-m", "torch.distributed.run", "--nproc-per-node", str(ranks), "--master-addr", "127.0.0.1", "--master-port", str(free_port())]
    device = ["--device", "cuda", "--backend", "nccl"] if options.gpu else []
    return Contestant(name, ranks, [sys.executable, *launch, os.path.join(HERE, "ddp_rival.py"), "--data", data, "--batch", str(batch), *steps, *device, *words])


def write_config(file, text):
    with open(file, "w") as f:
        f.write(text)
    return file


def vanilla_contestants(options, folder, data, batch, ranks):
    config = write_config(os.path.join(folder, f"vanilla_{batch}.yaml"), f"""
run: {{name: side_by_side}}
model: {{name: vanilla_vae}}
data: {{train: {{file: {data}}}}}
train: {{global_batch: {batch * ranks}{", cuda_graph: true" if options.gpu else ""}}}
distributed: {{threads_per_rank: 1, device: {"cuda" if options.gpu else "cpu"}}}
""")
    images = f"{batch} images, " if options.gpu else ""
    mine = lambda name, *words, bench=(): ours(f"{images}ours, {name}", options, ranks, config, words, bench, captures=options.gpu and "train.cuda_graph=false" not in words)
    rival = lambda name, *words: theirs(f"{images}rival, {name}", options, ranks, data, batch, words)
    best = ("--in-memory", "--channels-last", "--fused")
    if options.gpu:
        return [mine("fp32", "train.precision=fp32"), mine("tf32", "train.precision=tf32"), mine("bf16", "train.precision=bf16"),
                mine("bf16, kernel by kernel", "train.precision=bf16", "train.cuda_graph=false"),
                rival("eager, tf32", *best, "--precision", "tf32"), rival("eager, bf16", *best, "--precision", "bf16"),
                rival("compiled, bf16", *best, "--precision", "bf16", "--compile", "default"),
                rival("compiled, reduce-overhead, bf16", *best, "--precision", "bf16", "--compile", "reduce-overhead")]
    return [mine("fp32"), mine("bf16", "train.precision=bf16"),
            rival("as usually written, fp32"),
            rival("at its best, fp32", *best), rival("at its best, bf16", *best, "--precision", "bf16"),
            rival("at its best, compiled, fp32", *best, "--compile", "default"),
            rival("at its best, compiled, bf16", *best, "--precision", "bf16", "--compile", "default"),
            mine("fp32, no exchange", bench=("--no-exchange",)), rival("at its best, fp32, no exchange", *best, "--no-exchange"),
            mine("fp32, biases added", "model.cancelled_bias=add"), mine("bf16, biases added", "train.precision=bf16", "model.cancelled_bias=add")]


def resnet_contestants(options, folder, data):
    """A step of it takes a hundred times as long as one of the others, so fewer are measured, by one rank."""
    config = write_config(os.path.join(folder, "resnet.yaml"), f"""
run: {{name: side_by_side_resnet}}
model: {{name: resnet_vae, hidden_dims: [32, 64], activation: silu}}
data: {{train: {{file: {data}}}}}
train: {{global_batch: 64}}
distributed: {{threads_per_rank: 1, device: cpu}}
""")
    few = argparse.Namespace(**{**vars(options), "steps": max(1, options.steps // 5), "warm_up": max(1, options.warm_up // 3)})
    rival = lambda name, *words: theirs(f"resnet, rival, {name}", few, 1, data, 64, ("--model", "resnet_vae", "--in-memory", "--channels-last", "--fused", *words))
    return [ours("resnet, ours", few, 1, config, ()), rival("at its best"), rival("at its best, compiled", "--compile", "default")]


def mlp_contestants(options, folder, data):
    config = write_config(os.path.join(folder, "mlp.yaml"), f"""
run: {{name: side_by_side_mlp}}
model: {{name: mlp_vae, hidden_dims: [400], latent_dim: 40, activation: relu}}
objective: {{likelihood: bernoulli, reduction: sum, kld_weight: {{rule: elbo}}}}
data: {{train: {{file: {data}}}, binarize: fixed}}
train: {{global_batch: 100, optimizer: {{learning_rate: 1.0e-4}}}}
distributed: {{threads_per_rank: 1, device: cpu}}
""")
    many = argparse.Namespace(**{**vars(options), "steps": 40 * options.steps, "warm_up": 10 * options.warm_up})
    rival = lambda name, *words: theirs(f"MLP, rival, {name}", many, 1, data, 100, ("--model", "mlp_vae", *words))
    return [ours("MLP, ours", many, 1, config, ()), rival("as usually written"), rival("in memory, fused", "--in-memory", "--fused"),
            rival("in memory, fused, compiled", "--in-memory", "--fused", "--compile", "default")]


def processor():
    """Returns the CPU's name and which of its instructions matter here."""
    with open("/proc/cpuinfo") as f:
        facts = dict(re.split(r"\s*:\s*", line.strip(), maxsplit=1) for line in f if ":" in line)
    flags = facts.get("flags", "").split()
    known = [word for word in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if word in flags]
    limits = [f"{name}={os.environ[name]}" for name in ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA") if name in os.environ]
    return " ".join([facts.get("model name", "unknown CPU") + ":", *known, *limits])


def print_table(contestants, memory):
    """Prints the results. memory: the figure in the memory column."""
    print(f"{'':46} {'samples/s':>10} {'step':>10} {'data wait':>10} {'memory a rank':>14}   {'spread':>7}")
    for one in contestants:
        rates = [result["samples_per_second"] for result in one.results]
        print(f"{one.name:46} {one.median('samples_per_second'):10.1f} {1e3 * one.median('step_seconds'):7.2f} ms {1e3 * one.median('data_wait_seconds'):7.2f} ms"
              f" {one.median(memory) / 1e6:11.0f} MB   {(max(rates) - min(rates)) / statistics.median(rates):6.0%}")
    print()


def print_ratios(contestants):
    """Prints the ratios of our samples/s to each rival's: the median over rounds."""
    mine = [one for one in contestants if "ours" in one.name]
    rivals = [one for one in contestants if "rival" in one.name]
    for one in mine:
        for rival in rivals:
            if ("no exchange" in one.name) != ("no exchange" in rival.name) or "biases added" in one.name:
                continue
            ratios = [a["samples_per_second"] / b["samples_per_second"] for a, b in zip(one.results, rival.results)]
            print(f"{one.name:22} / {rival.name:46} {statistics.median(ratios):5.2f}   ({min(ratios):.2f} to {max(ratios):.2f})")
    by_name = {one.name: one for one in contestants}
    for one in contestants:
        for variant, words in (("no exchange", "without any exchange"), ("biases added", "with the biases that batch norm cancels")):
            other = by_name.get(f"{one.name}, {variant}")
            if other:
                ratios = [a["samples_per_second"] / b["samples_per_second"] for a, b in zip(one.results, other.results)]
                print(f"{one.name}: {statistics.median(ratios):.3f} of its speed {words}   ({min(ratios):.3f} to {max(ratios):.3f})")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--pairs", type=int, default=5, help="number of rounds; every contestant runs once in each")
    parser.add_argument("--ranks", type=int, help="default: 2, and 1 with --gpu")
    parser.add_argument("--steps", type=int, help=f"default: 20, and {GPU_STEPS} with --gpu, which takes no fewer")
    parser.add_argument("--warm-up", type=int, help="steps before the measured ones, in which either side captures or compiles; default: 5, and 15 with --gpu")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--pictures", type=int, default=64 * 64, help="size of the coloured dataset")
    parser.add_argument("--only", default="", help="only contestants whose name matches this regular expression")
    parser.add_argument("--json", help="write every single figure to this file, and why a contestant dropped out")
    options = parser.parse_args()
    options.steps = options.steps or (GPU_STEPS if options.gpu else 20)
    if options.gpu and options.steps < GPU_STEPS:
        parser.error(f"--gpu needs at least {GPU_STEPS} steps: a step takes a few milliseconds, and fewer of them measure the clocks that rise")
    ranks = options.ranks or (1 if options.gpu else 2)
    options.warm_up = options.warm_up or (15 if options.gpu else 5)

    with tempfile.TemporaryDirectory() as folder:
        colour, digits = os.path.join(folder, "colour.h5"), os.path.join(folder, "digits.h5")
        make_colour_pictures(options.binary, colour, options.pictures)
        make_digit_sized_pictures(digits, 20000)
        races = [vanilla_contestants(options, folder, colour, batch, ranks) for batch in ((64, 512) if options.gpu else (64,))]
        if not options.gpu:
            races += [resnet_contestants(options, folder, colour), mlp_contestants(options, folder, digits)]
        races = [[one for one in race if re.search(options.only, one.name)] for race in races]
        print(f"{processor()}\n{ranks} ranks, {options.pairs} rounds of {options.steps} steps; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
        for race in filter(None, races):
            for number in range(options.pairs):
                for one in race if number % 2 == 0 else reversed(race):
                    if not one.failure:
                        one.run(folder)
            finishers = [one for one in race if not one.failure]
            print_table(finishers, "peak_device_bytes_per_rank" if options.gpu else "peak_bytes_per_rank")
            print_ratios(finishers)
            for one in race:
                if one.failure:
                    print(f"{one.name} {one.failure}\n")
            sys.stdout.flush()
        if options.json:
            with open(options.json, "w") as f:
                json.dump({one.name: {"results": one.results, "failure": one.failure} for race in races for one in race}, f, indent=1)
    return 1 if any(one.failure and one.is_ours for race in races for one in race) else 0


if __name__ == "__main__":
    sys.exit(main())
