"""What the README says is so: its commands run, its table of keys is the program's, and every key that is named anywhere is in that table."""
import ast
import re
import shlex
import subprocess
import unittest

import numpy

import runs
from deadline import HANGS_S
from png_files import png

README = (runs.SOURCE / "README.md").read_text()

# Appended to commands that train: the same commands, on a model and a part of the data that take seconds.
QUICK = ["model.hidden_dims=[4, 8]", "model.latent_dim=4", "data.train.rows=[0, 640]", "data.validation.rows=[640, 704]",
         "metrics.port=null", "distributed.device=cpu"]


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


class Readme(runs.RunFolder):
    IMAGES = ["--count", "8", "--size", "16", "--channels", "1"]

    def write_inputs(self):
        """What a user of the README has: pictures in folders, and dSprites."""
        random = numpy.random.default_rng(1)
        for kind in ("cats", "dogs"):
            (self.folder / "photos" / kind).mkdir(parents=True)
            for i in range(5):
                (self.folder / "photos" / kind / f"{i}.png").write_bytes(png(random.integers(0, 256, (70 + i, 90, 3), dtype=numpy.uint8)))
        (self.folder / "photos" / "cats" / "broken.jpg").write_bytes(b"no picture")
        numpy.savez_compressed(self.folder / "dsprites.npz", imgs=random.integers(0, 2, (20, 64, 64), dtype=numpy.uint8), latents_values=random.random((20, 6)))

    def test_its_commands_run_in_their_order(self):
        self.write_inputs()
        (self.folder / "configs").symlink_to(runs.SOURCE / "configs")
        (self.folder / "launcher").symlink_to(runs.SOURCE / "launcher")
        (self.folder / "build").mkdir()
        (self.folder / "build" / "vae_dist").symlink_to(runs.BINARY)
        commands = [line for block in blocks("sh") for line in block.splitlines() if line.strip()]
        self.assertGreater(len(commands), 8)
        for command in commands:
            words = shlex.split(command.replace("mpirun", "mpirun --oversubscribe --bind-to none").replace("vae_launch", "vae_launch --program build/vae_dist"))
            redirect = words.index(">") if ">" in words else len(words)
            output = self.folder / (words[redirect + 1] if redirect < len(words) else "output.txt")
            words = words[:redirect] + (QUICK if "--config" in words else [])
            with open(output, "w") as out:
                done = subprocess.run(words, cwd=self.folder, stdout=out, stderr=subprocess.PIPE, text=True, timeout=HANGS_S)
            self.assertEqual(done.returncode, 0, f"{command}\n{done.stderr}")
        for made in ("shapes.png", "photos.png", "samples.png", "reconstructions.png", "my.yaml", "moving.safetensors", "moving.pt",
                     "evaluation.json", "interpolations.png", "traversals.png", "codes.h5", "comparison.png", "both.html"):
            self.assertGreater((self.folder / made).stat().st_size, 0, made)

    def test_its_keys_are_the_programs(self):
        self.assertEqual(blocks("yaml"), [self.program("config", check=True).stdout])

    def test_its_first_screen_says_how_long_what_takes(self):
        screen = "\n".join(README.splitlines()[:30])
        for what in (r"minutes from nothing", r"set-up \d", r"build \d+", r"training \d"):
            self.assertRegex(screen, what)

    def test_every_file_that_it_names_is_there(self):
        for name in re.findall(r"`((?:src|tests|configs|launcher|slurm|cmake|datasets)/[\w./]*)`", README) + re.findall(r"\]\(([^)]+)\)", README):
            self.assertTrue((runs.SOURCE / name).exists(), name)


def string_literals(file):
    """The texts of a C++ or Python source, by which it talks to people."""
    source = file.read_text()
    if file.suffix != ".py":
        return [text for line in source.splitlines() if not line.startswith("#include") for text in re.findall(r'"((?:[^"\\]|\\.)*)"', line)]
    return [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


class KeyNames(runs.RunFolder):
    """A remedy that names a key which is none is worse than no remedy."""

    IMAGES = ["--count", "8", "--size", "16", "--channels", "1"]
    # What looks like a key and is the name of a file: metrics.jsonl, model.safetensors.
    FILES = {"cpp", "csv", "h5", "hdf5", "hpp", "html", "json", "jsonl", "npz", "png", "pt", "pth", "py", "safetensors", "sh", "txt", "yaml", "yml"}

    def table(self):
        """Names of all keys and of the groups that they stand in, by the program itself."""
        names, path = set(), []
        for line in self.program("config", check=True).stdout.splitlines():
            if found := re.match(r"( *)(?:# )?(\w+):", line):
                path = [*path[:len(found[1]) // 2], found[2]]
                names.add(".".join(path))
        return names

    def named(self):
        """(file, text) of all that users read."""
        root = runs.SOURCE
        for file in (root / "README.md", *root.glob("src/*/README.md"), *(root / "slurm").iterdir(), *(root / "configs").rglob("*"), *root.glob("launcher/*.sh")):
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
        """`batch_norm: sync`, as in a file, in the documentation."""
        last = {name.rpartition(".")[2] for name in self.table()}
        for file, text in self.named():
            if file.suffix == ".md" and file.parent.name != "monitoring":  # Prometheus has keys of its own
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
                self.assertRegex(config.read_text(), r"kld_weight: \{rule: (reference|batch_over_dataset|fixed|elbo)")


if __name__ == "__main__":
    unittest.main()
