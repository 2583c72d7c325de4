"""What a shell completes with the scripts of `vae_dist completion`: asked by bash's function itself, and typed into shells at a terminal."""
import os
import pty
import re
import select
import shutil
import subprocess
import time
import unittest

import runs
from deadline import HANGS_S

# The words as readline hands them over: "=" and ":" stand alone.
ASK = """source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(( $# - 1 ))
_vae_dist
printf '%s\\n' "${COMPREPLY[@]}"
"""


class Completion(runs.RunFolder):
    IMAGES = ["--count", "8", "--size", "16", "--channels", "1"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for shell in ("bash", "zsh"):
            (cls.folder / f"complete.{shell}").write_text(cls.program("completion", shell, check=True).stdout)
        (cls.folder / "configs").mkdir()
        (cls.folder / "configs/mine.yaml").write_text("{}")
        (cls.folder / "weights.ckpt").write_text("{}")
        (cls.folder / "runs/one").mkdir(parents=True)

    def replies(self, line):
        words = [piece for word in ["vae_dist", *line.split(" ")] for piece in re.findall(r"[=:]+|[^=:]+", word) or [""]]
        done = subprocess.run(["bash", "--norc", "-c", ASK, "bash", "complete.bash", *words], cwd=self.folder, text=True, capture_output=True, timeout=HANGS_S)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return set(done.stdout.split("\n")) - {""}

    def help_of(self, *verb):
        return self.program(*verb, "--help", check=True).stdout

    def subcommands(self, text):
        return set(re.findall(r"^  (\S+) +\S", text.partition("Subcommands:\n")[2], re.MULTILINE))

    def test_every_verb_and_every_option_is_offered(self):
        verbs = self.subcommands(self.help_of())
        self.assertGreater(len(verbs), 12)
        self.assertEqual(self.replies(""), verbs)
        self.assertEqual(self.replies("c"), {verb for verb in verbs if verb.startswith("c")})
        paths = []
        for verb in verbs:
            inner = self.subcommands(self.help_of(verb))
            if inner:
                self.assertEqual(self.replies(f"{verb} "), inner)
            paths += [(verb, each) for each in inner] if inner else [(verb,)]
        for path in paths:
            with self.subTest(verb=path):
                listed = re.findall(r"^  ((?:-\w,)?--\S+)", self.help_of(*path), re.MULTILINE)
                options = {name for names in listed for name in names.split(",") if name.startswith("--")}
                self.assertEqual(self.replies(" ".join(path) + " --"), options)

    def test_words_of_options(self):
        self.assertEqual(self.replies("train --device "), {"auto", "cuda", "cpu"})
        self.assertEqual(self.replies("train --device c"), {"cuda", "cpu"})
        self.assertEqual(self.replies("train --device=c"), {"cuda", "cpu"})
        self.assertEqual(self.replies("evaluate --split "), {"train", "validation"})
        self.assertEqual(self.replies("completion "), {"bash", "zsh"})
        self.assertEqual(self.replies("sample --count "), set(), "a number is the reader's own")

    def test_files_and_folders(self):
        self.assertEqual(self.replies("train --config configs/m"), {"configs/mine.yaml"})
        self.assertEqual(self.replies("train --config=configs/m"), {"configs/mine.yaml"})
        self.assertEqual(self.replies("evaluate --checkpoint ru"), {"runs"}, "a folder, not run.yaml")
        self.assertEqual(self.replies("evaluate --data sh"), {"shapes.h5"})
        self.assertEqual(self.replies("data info sh"), {"shapes.h5"})
        self.assertEqual(self.replies("data convert shapes.h5 sh"), {"shapes.h5"})
        self.assertEqual(self.replies("report runs/o"), {"runs/one"})
        self.assertEqual(self.replies("sample --out wei"), {"weights.ckpt"})
        self.assertEqual(self.replies("weights import wei"), {"weights.ckpt"})

    def test_keys_and_their_words(self):
        everything = self.replies("train --config run.yaml ")
        printed = set(re.findall(r"^  (?:# )?(\w+):", self.program("config", check=True).stdout, re.MULTILINE))
        self.assertEqual({each.split(".")[1].rstrip("=") for each in everything}, printed)
        self.assertEqual(self.replies("train run.yaml train.optimizer.n"), {"train.optimizer.name="})
        self.assertEqual(self.replies("train run.yaml model.activation="), {"leaky_relu", "relu", "tanh", "silu"})
        self.assertEqual(self.replies("train run.yaml model.activation=r"), {"relu"})
        self.assertLessEqual({"vanilla_vae", "resnet_vae"}, self.replies("bench run.yaml model.name="))
        self.assertEqual(self.replies("train run.yaml train.cuda_graph="), {"true", "false", "auto"})
        self.assertEqual(self.replies("train run.yaml data.flip="), {"D", "H", "W", "[]"})
        self.assertEqual(self.replies("train run.yaml data.range="), {"[0,1]", "[-1,1]"})
        self.assertEqual(self.replies("train run.yaml train.epochs="), set())
        self.assertEqual(self.replies("train run.yaml data.train.file=sh"), {"shapes.h5"})
        self.assertEqual(self.replies("train run.yaml data.train.file=ru"), {"runs", "run.yaml"}, "a file, and what leads to one")
        self.assertEqual(self.replies("train run.yaml model.encoder=wei"), {"weights.ckpt"}, "a key of a registered item")
        self.assertEqual(self.replies("train run.yaml checkpoint.resume=ru"), {"runs"}, "a folder, not run.yaml")
        self.assertEqual(self.replies("train run.yaml run.name=sh"), set(), "a name, not a file")
        self.assertEqual(self.replies("evaluate model."), set(), "evaluate takes no keys")
        self.assertEqual(self.replies("train run.yaml model.name=resnet_vae train.prec"), {"train.precision="}, "after another key")

    def test_without_a_verb_the_command_line_trains(self):
        self.assertLessEqual({"--config", "--from", "--dry-run", "--help", "--version"}, self.replies("--"))
        self.assertEqual(self.replies("conf"), {"config"})
        self.assertEqual(self.replies("configs/"), {"configs/mine.yaml"})
        self.assertEqual(self.replies("--config configs/m"), {"configs/mine.yaml"})
        for begin in ("--config run.yaml", "run.yaml", "--dry-run run.yaml"):
            self.assertEqual(self.replies(f"{begin} train.optimizer.n"), {"train.optimizer.name="}, begin)
            self.assertEqual(self.replies(f"{begin} --devi"), {"--device"}, begin)

    def typed(self, command, begin, keys):
        """Types into an interactive shell, in which vae_dist prints its arguments. Returns them."""
        terminal, other = pty.openpty()
        shell = subprocess.Popen(command, cwd=self.folder, stdin=other, stdout=other, stderr=other, start_new_session=True,
                                 env={**os.environ, "TERM": "dumb", "PS1": "$ ", "HOME": str(self.folder), "HISTFILE": ""})
        os.close(other)
        self.addCleanup(os.close, terminal)
        self.addCleanup(shell.wait)
        self.addCleanup(shell.kill)  # an interactive shell takes no notice of SIGTERM
        said = b""

        def read_until(pattern):
            nonlocal said
            deadline = time.monotonic() + HANGS_S
            while not (found := re.search(pattern, said)):
                self.assertTrue(select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0], f"{pattern} is not in {said}")
                said += os.read(terminal, 65536)
            said = said[found.end():]
            return found

        for line in (*begin, "vae_dist() { printf '<%s>' \"$@\"; echo; }", "echo ready$((1 + 1))"):
            os.write(terminal, line.encode() + b"\n")
        read_until(rb"ready2\r?\n")
        os.write(terminal, keys.encode() + b"\n")
        return re.findall(r"<(.*?)>", read_until(rb"(?:<[^<>\r\n]*>)+\r?\n")[0].decode())

    KEYS = "vae_dist trai\t--conf\trun.y\t--devi\tcp\tmodel.na\tresn\ttrain.optimizer.learning_\t1 data.train.fi\tshap\t"
    ARGUMENTS = ["train", "--config", "run.yaml", "--device", "cpu", "model.name=resnet_vae", "train.optimizer.learning_rate=1", "data.train.file=shapes.h5"]

    def test_typed_into_bash(self):
        self.assertEqual(self.typed(["bash", "--norc", "--noprofile", "-i"], ["source complete.bash"], self.KEYS), self.ARGUMENTS)

    @unittest.skipUnless(shutil.which("zsh"), "not run: zsh was not found")
    def test_typed_into_zsh(self):
        subprocess.run(["zsh", "-n", "complete.zsh"], cwd=self.folder, check=True, timeout=HANGS_S)
        begin = ["autoload -Uz compinit", "compinit -u -D", "source ./complete.zsh"]
        self.assertEqual(self.typed(["zsh", "-f", "-i"], begin, self.KEYS), self.ARGUMENTS)

    @unittest.skipUnless(shutil.which("zsh"), "not run: zsh was not found")
    def test_zsh_finds_it_among_its_functions(self):
        (self.folder / "functions").mkdir()
        shutil.copy(self.folder / "complete.zsh", self.folder / "functions/_vae_dist")
        begin = ["fpath=($PWD/functions $fpath)", "autoload -Uz compinit", "compinit -u -D"]
        self.assertEqual(self.typed(["zsh", "-f", "-i"], begin, self.KEYS), self.ARGUMENTS)


if __name__ == "__main__":
    unittest.main()
