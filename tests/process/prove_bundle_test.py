"""tests/gpu/prove.sh from end to end, as far as a machine without a GPU goes: the real bundle is made, carried to where nothing of the build is, and run.

As root the run sees no library of this machine but those of Python, the shell and the C library, neither the build nor the checkout, and torch in
another place than at the build. Otherwise it only has an empty environment."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from deadline import HANGS_S

SOURCE, BUILD = pathlib.Path(os.environ["VAE_DIST_SOURCE"]), pathlib.Path(os.environ["VAE_DIST_BINARY"]).parent
TORCH_SITE = os.environ["VAE_DIST_TORCH_SITE"]
sys.path.insert(0, str(SOURCE / "tests" / "gpu"))
from prove import DRIVER_FILES  # noqa: E402
from prove_checks import FIRST  # noqa: E402

ON_THE_CPU = ("libraries", "versions", "data", "cpu_np2")

# enter.sh FOLDER LIBRARIES TORCH_SITE HIDDEN... -- COMMAND...: the command in a world of its own; see Sandbox.
ENTER = """set -eu
folder=$1 libraries=$2 site=$3
shift 3
mount --bind "$site" "$folder/site"
while [ "$1" != -- ]; do mount -t tmpfs none "$1"; shift; done
shift
mount --bind "$folder/libraries" "$libraries"
cd "$folder"
exec "$@"
"""


def libraries_named(output):
    return {pathlib.Path(path) for path in re.findall(r"(/\S+) \(0x", output)}


class Sandbox:
    """Runs commands with an empty environment and, as root, in a mount namespace of their own."""

    def __init__(self, folder):
        self.folder = folder
        python = pathlib.Path(sys.executable).resolve()
        for name in ("bin", "site", "libraries", "tmp"):
            (folder / name).mkdir()
        (folder / "bin" / "python3").symlink_to(python)
        self.environment = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder / "tmp"), "PYTHONPATH": TORCH_SITE, "VAE_DIST_DEVICE": "cpu"}
        self.enter = []
        if os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0:
            self.hide_the_machine(python)

    def hide_the_machine(self, python):
        kept = [python, *map(shutil.which, ("bash", "sh", "ls", "env", "tar", "gzip", "mount")), *pathlib.Path(sys.base_prefix).glob("lib/python3.*/lib-dynload/*.so")]
        listed = subprocess.run(["ldd", *map(str, kept)], text=True, capture_output=True).stdout
        c_library = next(path for path in libraries_named(listed) if path.name.startswith("libc.so"))
        system = c_library.resolve().parent
        # The rest of the C library, and the C++ library, which torch expects of a machine.
        others = [file for name in ("dl", "rt", "pthread", "resolv", "util", "stdc++", "gcc_s") for file in system.glob(f"lib{name}.so.[0-9]")]
        for path in {*libraries_named(listed), *others}:
            shutil.copy(path, self.folder / "libraries" / path.name)
        hidden = [path for path in (BUILD, SOURCE, TORCH_SITE, "/etc/openmpi", "/usr/share/openmpi") if os.path.isdir(path)]
        (self.folder / "enter.sh").write_text(ENTER)
        self.enter = ["unshare", "--mount", "sh", self.folder / "enter.sh", self.folder, system, TORCH_SITE, *hidden, "--"]
        self.environment["PYTHONPATH"] = str(self.folder / "site")

    def run(self, *command):
        return subprocess.run([*self.enter, *command], text=True, capture_output=True, timeout=HANGS_S, env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL)


class ProveBundle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if any(os.path.exists(file) for file in DRIVER_FILES):
            raise unittest.SkipTest("not run: this machine has a GPU, where prove.sh is the test")
        folder = tempfile.TemporaryDirectory(prefix="vae_dist_test_")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.sandbox = Sandbox(cls.folder)
        # The script travels with the repository, the rest in the bundle.
        shutil.copy(SOURCE / "tests" / "gpu" / "prove.sh", cls.folder)
        made = subprocess.run([SOURCE / "tests" / "gpu" / "prove.sh", "bundle", cls.folder / "bundle.tar.gz", BUILD], text=True, capture_output=True, timeout=HANGS_S)
        cls.made = made.stdout
        if made.returncode:
            raise AssertionError(made.stdout + made.stderr)

    def test_every_check_passes_or_says_that_it_needs_a_gpu(self):
        done = self.sandbox.run("bash", "prove.sh", "run", "bundle.tar.gz", "out", "--slow", "20")
        results = [json.loads(line) for line in (self.folder / "out" / "results.jsonl").read_text().splitlines()]
        said = done.stdout + done.stderr + (self.folder / "out" / "output.txt").read_text()
        self.assertEqual([result["name"] for result in results], [check.name for check in FIRST], said)
        for result in results:
            if result["name"] in ON_THE_CPU:
                self.assertEqual((result["outcome"], result["exit_code"]), ("passed", 0), said)
            else:
                self.assertEqual(result["outcome"], "skipped", said)
                self.assertIn("needs a GPU", result["reason"])
        self.assertEqual(done.returncode, 77, said)
        figures = {result["name"]: result["figures"] for result in results}
        self.assertEqual(figures["libraries"]["missing"], 0)
        self.assertEqual(figures["cpu_np2"]["ranks"], 2)
        self.assertRegex(figures["versions"]["c_library"], r"^glibc \d")
        self.assertEqual(list((self.folder / "tmp").iterdir()), [], "neither the bundle nor the checks' folder is left")

    def test_a_library_that_is_missing_is_named(self):
        if not self.sandbox.enter:
            self.skipTest("not run: only root may hide this machine's own libraries")
        unpacked = self.folder / "unpacked"
        unpacked.mkdir()
        self.assertEqual(self.sandbox.run("tar", "-C", "unpacked", "-xzf", "bundle.tar.gz").returncode, 0)
        (bundle,) = unpacked.iterdir()
        (missing,) = (bundle / "lib").glob("libopen-pal.so*")
        missing.unlink()
        self.sandbox.environment["VAE_DIST_TORCH_SITE"] = self.sandbox.environment["PYTHONPATH"]
        done = self.sandbox.run("python3", bundle / "tests" / "gpu" / "libraries.py", bundle)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn(f"{missing.name} => not found", done.stdout)

    def test_it_says_how_large_it_is_and_which_c_library_it_needs(self):
        self.assertRegex(self.made, r"bundle\.tar\.gz: \d+ MiB, and the repository \d+ MiB; needs a C library of \d\.\d+ or later \(glibc\)\n")
        here = tuple(map(int, os.confstr("CS_GNU_LIBC_VERSION").split()[1].split(".")[:2]))
        self.assertLessEqual(tuple(map(int, re.search(r"of (\d+)\.(\d+) or", self.made).groups())), here)


if __name__ == "__main__":
    unittest.main()
