"""The documents are correct: their commands run, their list of keys is the program's, and every file and key that they name exists."""
import ast
import os
import re
import shlex
import subprocess
import unittest

import numpy

import runs
from deadline import HANGS_S
from png_files import png

DOCUMENTS = {str(path.relative_to(runs.SOURCE)): path.read_text()
             for path in sorted([runs.SOURCE / "README.md", runs.SOURCE / ".github/CONTRIBUTING.md", *runs.SOURCE.glob("src/**/README.md"),
                                 *(runs.SOURCE / folder / "README.md" for folder in ("configs", "configs/monitoring", "datasets", "launcher", "launcher/python", "slurm", "tests/bench", "tests/faults", "tests/gpu"))])}

# Appended to commands that train, so that they take seconds with a small model and a part of the data.
QUICK = [*runs.QUICK, "distributed.device=cpu"]

# Commands that the documents show as `console`, because they need other machines, hours or the user's own files. Each has the test that runs it,
# possibly with other names, and a piece of that test as proof.
ELSEWHERE = {
    r"\./launcher/quickstart\.sh": ("tests/process/quickstart_test.py", "launcher/quickstart.sh"),
    r"\./launcher/test\.sh": (".github/workflows/ci.yml", "./launcher/test.sh"),
    r"launcher/package\.sh --cpu": ("tests/package/package_test.py", '"launcher/package.sh", "--cpu"'),
    r"podman build .*": ("tests/package/container_test.py", '"-f", "launcher/container/Containerfile"'),
    r"podman run .*": ("tests/package/container_test.py", '"run", "--isolation"'),
    r"git clone .* apptainer build .*": ("tests/package/container_test.py", "apptainer build"),
    r"apptainer exec .*": ("tests/package/container_test.py", "apptainer exec"),
    r"launcher/vae_launch -- --config configs/big\.yaml": ("tests/faults/launched.py", "vae_launch"),
    r"launcher/vae_launch --hosts .*": ("tests/faults/lost_host_test.py", "--hosts"),
    r"build/vae_dist data make-shapes data/big\.h5 .*": ("tests/process/big_config_test.py", "make-shapes"),
    r"mpirun -np 8 build/vae_dist --config configs/big\.yaml": ("tests/process/big_config_test.py", '"mpirun", "-np", "8"'),
    r"sbatch (--nodes=4 )?slurm/train\.sbatch .*": ("tests/slurm/jobs_test.py", "slurm/{script}.sbatch"),
    r"VAE_DIST_START=srun sbatch .*": ("tests/slurm/jobs_test.py", "VAE_DIST_START"),
    r"sbatch --array=\S+ slurm/array\.sbatch .*": ("tests/slurm/jobs_test.py", "slurm/{script}.sbatch"),
    r"sbatch --array=\S+ slurm/chain\.sbatch .*": ("tests/slurm/jobs_test.py", "slurm/{script}.sbatch"),
    r"build/vae_dist data import-idx .*": ("tests/process/mnist_test.py", "import-idx"),
    r"launcher/vae_launch --np 2 -- --config configs/(mnist|quickstart)\.yaml": ("tests/process/mnist_test.py", "mnist.yaml"),
    r"build/vae_dist lesson.*": ("tests/process/lesson_test.py", "lesson"),
    r"cmake --build build --target model_test && ctest .*": ("launcher/setup.sh", "cmake --build"),
    r"tests/faults/run\.sh \d+": ("launcher/test.sh", "tests/faults/run.sh"),
    r"build/tests/bench/bench_micro .*": ("tests/bench/bench_micro_test.py", "VAE_DIST_BENCH_MICRO"),
    r"ctest --test-dir build -L gpu": ("tests/gpu/CMakeLists.txt", "LABELS gpu"),
    r"mpirun -np 2 build/tests/bench/bench_nccl_issue": ("tests/gpu/prove_checks.py", "bench_nccl_issue"),
    r"tests/gpu/prove\.sh bundle .*": ("tests/process/prove_bundle_test.py", '"prove.sh", "bundle", cls.folder'),
    r"tests/gpu/prove\.sh run .*": ("tests/process/prove_bundle_test.py", '"prove.sh", "run"'),
    r"tensorboard --logdir runs": ("tests/process/tensorboard_test.py", '"--logdir", "runs"'),
    r"build/vae_dist monitor": ("tests/process/monitoring_test.py", "start_monitor"),
    r"pip install \./launcher/python": ("tests/process/package_runs.py", '"-m", "pip", "install"'),
    r"python launcher/python/examples/unet_vae\.py .*": ("tests/process/readme_walk_test.py", '"README.md"'),
    r"mpirun -np 2 build/vae_dist --config configs/shapes\.yaml run\.name=unet .*": ("tests/process/readme_walk_test.py", '"README.md"'),
    r"python -c 'import vae_dist; .*": ("tests/process/readme_walk_test.py", '"README.md"'),
    r"python -m vae_dist export .*": ("tests/process/python_export_test.py", '"-m", "vae_dist", "export"'),
}

# Neither Docker nor Grafana is in the distribution, so no test runs these. Their input is tested: dashboard_test checks the dashboard's fields and
# its provisioning, and monitoring_test sends all its queries to a real Prometheus. wandb needs an account and its server.
NOT_RUN = [r"docker compose .*", r"xdg-open http://localhost:3000/d/vae_dist", r"export (VAE_DIST_MONITORING|GF_PATHS_PROVISIONING)=.*", r"grafana server .*",
           r"pip install wandb && wandb login", r"wandb sync .*"]


def blocks(document, language):
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", DOCUMENTS[document], flags=re.MULTILINE | re.DOTALL)


def commands(document, language):
    """The lines of a document's blocks, without trailing comments."""
    lines = [line for block in blocks(document, language) for line in block.splitlines()]
    return [line for line in (re.sub(r"\s+# .*", "", line).strip() for line in lines) if line and not line.startswith("#")]


class Commands(runs.RunFolder):
    IMAGES = ["--count", "8", "--size", "16", "--channels", "1"]

    def write_inputs(self, folder):
        """Creates a user's files: the checkout with its build, pictures in folders, and dSprites."""
        folder.mkdir()
        for name in ("configs", "launcher"):
            (folder / name).symlink_to(runs.SOURCE / name)
        (folder / "build").symlink_to(os.path.dirname(runs.BINARY))
        random = numpy.random.default_rng(1)
        for kind in ("cats", "dogs"):
            (folder / "photos" / kind).mkdir(parents=True)
            for i in range(5):
                (folder / "photos" / kind / f"{i}.png").write_bytes(png(random.integers(0, 256, (70 + i, 90, 3), dtype=numpy.uint8)))
        (folder / "photos" / "cats" / "broken.jpg").write_bytes(b"no picture")
        numpy.savez_compressed(folder / "dsprites.npz", imgs=random.integers(0, 2, (20, 64, 64), dtype=numpy.uint8), latents_values=random.random((20, 6)))

    def run_document(self, document, outputs):
        """Runs a document's commands in order in a separate folder, and checks that the outputs are not empty."""
        folder = self.folder / document.replace("/", "_")
        self.write_inputs(folder)
        for block in blocks(document, "yaml"):
            if name := re.match(r"# (\w+\.yaml)\n", block):
                (folder / name[1]).write_text(block)
        shown = commands(document, "sh")
        self.assertGreater(len(shown), 1)
        for command in shown:
            words = shlex.split(command.replace("mpirun", "mpirun --oversubscribe --bind-to none").replace("vae_launch", "vae_launch --program build/vae_dist"))
            redirect = words.index(">") if ">" in words else len(words)
            output = folder / (words[redirect + 1] if redirect < len(words) else "output.txt")
            quick = [key for key in QUICK if "mine.yaml" not in words or not key.startswith("data.")]
            words = words[:redirect] + (quick if "--config" in words else [])
            with open(output, "w") as out:
                done = subprocess.run(words, cwd=folder, stdout=out, stderr=subprocess.PIPE, text=True, timeout=HANGS_S)
            self.assertEqual(done.returncode, 0, f"{document}: {command}\n{done.stderr}")
        for made in outputs:
            self.assertGreater((folder / made).stat().st_size, 0, made)

    def test_those_of_the_readme_run(self):
        self.run_document("README.md", ["shapes.png", "codes.h5", "samples.png", "reconstructions.png", "moving.safetensors", "evaluation.json", "comparison.png", "both.html"])

    def test_those_of_the_datasets_run(self):
        self.run_document("datasets/README.md", ["shapes.png", "photos.png", "data/fields.h5", "data/showers.h5", "data/dsprites.h5", "data/converted.h5"])

    def test_those_of_the_launcher_run(self):
        self.run_document("launcher/README.md", ["interpolations.png", "traversals.png", "codes.h5", "comparison.png", "moving.pt", "vae_dist.bash", "_vae_dist"])

    def test_those_of_the_configurations_run(self):
        self.run_document("configs/README.md", [])

    def test_those_of_the_benchmarks_run(self):
        self.run_document("tests/bench/README.md", ["trace.json"])

    def test_all_others_are_run_by_another_test(self):
        """Tests run every command in the documents, and other kinds of blocks hold no commands."""
        used = set()
        for document in DOCUMENTS:
            if commands(document, "sh"):
                self.assertIn(f'"{document}"', (runs.SOURCE / "tests/process/documents_test.py").read_text())
            for command in commands(document, "console"):
                matching = [pattern for pattern in [*ELSEWHERE, *NOT_RUN] if re.fullmatch(pattern, command)]
                self.assertTrue(matching, f"{document}: no test runs '{command}'")
                used.update(matching)
            self.assertLessEqual(set(re.findall(r"^```(\w*)\n", DOCUMENTS[document], re.MULTILINE)), {"sh", "console", "yaml", "python", "text", ""}, document)
            if blocks(document, "python"):
                self.assertIn(f'"{document}"', (runs.SOURCE / "tests/process/python_package_test.py").read_text(), "a test runs what is Python")
            for line in commands(document, "text"):
                self.assertNotRegex(line, r"^(\./|mpirun|sbatch|build/|launcher/|tests/|ctest|python)", document)
        for pattern, (test, piece) in ELSEWHERE.items():
            self.assertIn(piece, (runs.SOURCE / test).read_text(), f"{pattern}: {test}")
        self.assertEqual(sorted({*ELSEWHERE, *NOT_RUN} - used), [], "no document shows these any more")


class Contents(runs.RunFolder):
    IMAGES = ["--count", "8", "--size", "16", "--channels", "1"]

    def test_the_keys_are_the_programs(self):
        self.assertEqual(blocks("configs/README.md", "yaml")[-1], self.program("config", check=True).stdout, "tests/checks/update_keys.py writes them")

    def test_the_readme_is_short_and_says_first_how_long_what_takes(self):
        lines = DOCUMENTS["README.md"].splitlines()
        self.assertLessEqual(len(lines), 200)
        screen = " ".join(lines[:30])
        for what in (r"minutes from nothing", r"set-up \d", r"build \d+", r"training \d"):
            self.assertRegex(screen, what)

    def test_every_file_that_they_name_is_there(self):
        for document, content in DOCUMENTS.items():
            folder = (runs.SOURCE / document).parent
            for name in re.findall(r"`((?:src|tests|configs|launcher|slurm|cmake|datasets)/[\w./]*)`", content):
                self.assertTrue("/my_" in name or (runs.SOURCE / name).exists(), f"{document}: {name}")  # my_vae.cpp: the reader's own
            for name in re.findall(r"\]\(([^)#]+)\)", content):
                self.assertTrue(name.startswith("http") or (folder / name).exists(), f"{document}: {name}")


def string_literals(file):
    """The string literals of a C++ or Python source, which include all messages to users."""
    source = file.read_text()
    if file.suffix != ".py":
        return [text for line in source.splitlines() if not line.startswith("#include") for text in re.findall(r'"((?:[^"\\]|\\.)*)"', line)]
    return [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


class KeyNames(runs.RunFolder):
    """A remedy that names a nonexistent key is worse than no remedy."""

    IMAGES = ["--count", "8", "--size", "16", "--channels", "1"]
    # Extensions of file names that look like keys: metrics.jsonl, model.safetensors.
    FILES = {"cpp", "csv", "h5", "hdf5", "hpp", "html", "json", "jsonl", "npz", "png", "pt", "pth", "py", "safetensors", "sh", "txt", "yaml", "yml"}

    def table(self):
        """The names of all keys and of their groups, as printed by the program."""
        names, path = set(), []
        for line in self.program("config", check=True).stdout.splitlines():
            if found := re.match(r"( *)(?:# )?(\w+):", line):
                path = [*path[:len(found[1]) // 2], found[2]]
                names.add(".".join(path))
        return names

    def named(self):
        """(file, text) of all texts for users."""
        root = runs.SOURCE
        for file in (*(root / name for name in DOCUMENTS), *(root / "slurm").iterdir(), *(root / "configs").rglob("*"), *root.glob("launcher/*.sh")):
            if file.is_file():
                yield file, file.read_text()
        for folder in ("src", "launcher", "datasets"):
            for file in sorted((root / folder).rglob("*")):
                if file.suffix in (".cpp", ".hpp", ".py"):
                    for text in string_literals(file):
                        yield file, text

    def test_every_key_that_is_named_exists(self):
        table = self.table()
        self.assertGreater(len(table), 100)
        groups = "|".join(sorted({name for name in table if "." not in name}))
        found, wrong = set(), []
        for file, text in self.named():
            for name in re.findall(rf"(?<![\w./$-])(?:{groups})(?:\.[a-z_0-9]+)+\b(?!\()", text):  # model.state_dict() is Python's
                if name.rpartition(".")[2] not in self.FILES:
                    found.add(name)
                    if name not in table:
                        wrong.append(f"{file.relative_to(runs.SOURCE)}: {name}")
        self.assertEqual(wrong, [])
        self.assertGreater(len(found), 60, "the keys that are named are found")

    def test_what_stands_as_key_and_value_is_a_key_by_its_last_name(self):
        """Checks text such as `batch_norm: sync` in the documentation."""
        last = {name.rpartition(".")[2] for name in self.table()}
        # The keys of what stands in a list, such as a regulariser, are in the text beside the list.
        last |= set(re.findall(r"(\w+)\s+(?:#\s+)?\(default", self.program("config", check=True).stdout))
        for file, text in self.named():
            if file.suffix == ".md" and file.parent.name != "monitoring":  # Prometheus has its own keys
                for name in re.findall(r"`(?:\w+\.)*([a-z_]+): [^`]+`", text):
                    self.assertIn(name, last, file.name)


class ShippedConfigs(runs.RunFolder):
    IMAGES = ["--count", "8", "--size", "16", "--channels", "1"]

    def test_each_is_accepted_and_names_its_rule_for_m_n(self):
        configs = sorted((runs.SOURCE / "configs").glob("*.yaml"))
        self.assertGreaterEqual(len(configs), 4)
        for config in configs:
            with self.subTest(config.name):
                self.program("config", "--config", config, check=True)
                if "vector_quantized" not in config.read_text():  # then there is no KL
                    self.assertRegex(config.read_text(), r"kld_weight: \{rule: (reference|batch_over_dataset|fixed|elbo)")


if __name__ == "__main__":
    unittest.main()
