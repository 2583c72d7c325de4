"""vae_dist and vae_dist_cuda: the same build, linked with the CPU libraries and with CUDA's. The first replaces itself with the second when that may help."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from comparing import read_safetensors
from runs import BINARY, SMALL, RunFolder, mpirun

PROGRAM = pathlib.Path(BINARY)
CUDA_PROGRAM = PROGRAM.with_name("vae_dist_cuda")
# The CUDA libraries that a CUDA wheel's own CPU library of LibTorch needs.
NEEDED_BY_TORCH_CPU = {"libcudart", "libcupti"}
TORCH_CUDA = {"libtorch", "libtorch_cuda", "libtorch_nvshmem", "libc10_cuda"}


def cuda_libraries(program):
    """The names, without version, of the CUDA libraries that the program maps at start-up."""
    listed = subprocess.run(["ldd", program], text=True, capture_output=True, check=True).stdout
    found = [line.split() for line in listed.splitlines() if "=>" in line]
    return {name.split(".so")[0] for name, _, path, *_ in found if "/nvidia/" in path or name.split(".so")[0] in TORCH_CUDA}


class TwoPrograms(RunFolder):
    def program_named(self, name):
        """Makes a folder `name` with a copy of vae_dist."""
        folder = tempfile.TemporaryDirectory(prefix="vae_dist_test_")
        self.addCleanup(folder.cleanup)
        return shutil.copy(PROGRAM, pathlib.Path(folder.name) / name)

    def run_as(self, program, *arguments, **environment):
        return subprocess.run([program, *map(str, arguments)], cwd=self.folder, text=True, capture_output=True, timeout=600, stdin=subprocess.DEVNULL,
                              env={**os.environ, **environment}, check=False)

    def environment_of(self, name):
        return json.loads((self.run_path(name) / "environment.json").read_text())

    def with_stand_in_driver(self):
        """An environment in which an empty library is found under the driver's name."""
        folder = tempfile.TemporaryDirectory(prefix="vae_dist_test_")
        self.addCleanup(folder.cleanup)
        subprocess.run(["g++", "-shared", "-x", "c++", "/dev/null", "-o", pathlib.Path(folder.name) / "libcuda.so.1"], check=True)
        return {"LD_LIBRARY_PATH": folder.name}

    def test_the_one_for_the_cpu_maps_no_library_of_cuda(self):
        self.assertLessEqual(cuda_libraries(PROGRAM), NEEDED_BY_TORCH_CPU)
        self.assertLessEqual({"libtorch_cuda", "libc10_cuda", "libnccl"}, cuda_libraries(CUDA_PROGRAM))

    def test_both_are_one_build_and_train_the_same_bits(self):
        for name, environment in (("cpu", {"VAE_DIST_DEVICE": "cpu"}), ("cuda", {"VAE_DIST_DEVICE": "cuda"})):
            self.train(name, "train.steps=5", env=environment)
        said = [self.environment_of(name) for name in ("cpu", "cuda")]
        self.assertRegex(said[0]["build"], "^[0-9a-f]{16}$")
        self.assertTrue(all(environment.pop("last started") for environment in said))
        self.assertEqual(*said)
        self.assertEqual(self.losses("cpu"), self.losses("cuda"))
        weights = [self.checkpoint(name) / "weights.safetensors" for name in ("cpu", "cuda")]
        self.assertEqual(weights[0].read_bytes(), weights[1].read_bytes())
        self.assertTrue(read_safetensors(weights[0]))

    def test_ranks_of_both_train_together_and_ranks_of_different_builds_do_not(self):
        together = ["train", "--config", "run.yaml", *SMALL, "train.steps=3"]

        def start(name, other):
            command = mpirun(1, [BINARY, *together, f"run.name={name}"]) + [":", "-np", "1", other, *together, f"run.name={name}"]
            return subprocess.run(command, cwd=self.folder, text=True, capture_output=True, timeout=600, stdin=subprocess.DEVNULL, check=False)

        done = start("both", CUDA_PROGRAM)
        self.assertEqual(done.returncode, 0, done.stderr)
        build = self.environment_of("both")["build"]
        # Patch the copy so that it reports another build.
        other = pathlib.Path(self.program_named("vae_dist"))
        code = other.read_bytes()
        self.assertEqual(code.count(build.encode()), 1)
        strange = ("0" if build[0] != "0" else "1") + build[1:]
        other.write_bytes(code.replace(build.encode(), strange.encode()))
        refused = start("different", other)
        self.assertEqual(refused.returncode, 2, refused.stdout + refused.stderr)
        for text in ("program and libraries", f"build {build}", f"build {strange}"):
            self.assertIn(text, refused.stderr)

    def at_first_step(self, name, **environment):
        """The program file of the started process while it trains, and the libraries that it has mapped."""
        process = self.start("train", "--config", "run.yaml", *SMALL, "train.steps=1000000", f"run.name={name}", env=environment)
        try:
            log = self.run_path(name) / "metrics.jsonl"
            self.wait_until(lambda: process.poll() is not None or (log.exists() and log.read_bytes()), 600, "step 1")
            self.assertIsNone(process.poll())
            self.assertEqual(pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")[0].decode(), BINARY, "what it was called by")
            return pathlib.Path(f"/proc/{process.pid}/exe").resolve().name, pathlib.Path(f"/proc/{process.pid}/maps").read_text()
        finally:
            process.kill()
            process.communicate()

    def test_the_process_that_was_started_trains_itself(self):
        for variable, name in (("cpu", "vae_dist"), ("cuda", "vae_dist_cuda")):
            with self.subTest(variable):
                running, maps = self.at_first_step(f"mapped_{variable}", VAE_DIST_DEVICE=variable)
                self.assertEqual(running, name)
                self.assertEqual("libtorch_cuda" in maps, variable == "cuda")

    def test_a_driver_makes_it_the_other_unless_it_is_to_compute_on_the_cpu(self):
        driver = self.with_stand_in_driver()
        alone = self.program_named("vae_dist")
        for arguments, other in ((["train", "--config", "run.yaml", "--dry-run"], True), (["sample", "--checkpoint", "none"], True), (["sample", "--checkpoint", "none", "--device", "cpu"], False),
                                 (["train", "--config", "run.yaml", "distributed.device=cpu", "--dry-run"], False), (["config"], False), (["--version"], False)):
            with self.subTest(arguments):
                self.assertEqual("there is no program" in self.run_as(alone, *arguments, **driver).stderr, other)
        self.assertNotIn("there is no program", self.run_as(alone, "sample", "--checkpoint", "none", VAE_DIST_DEVICE="cpu", **driver).stderr)
        # The program replaces itself with the other one.
        pathlib.Path(alone).with_name("vae_dist_cuda").write_text('#!/bin/sh\necho "started $0 $*"\n')
        pathlib.Path(alone).with_name("vae_dist_cuda").chmod(0o755)
        done = self.run_as(alone, "--config", "run.yaml", "a b", **driver)
        self.assertEqual((done.returncode, done.stdout), (0, f"started {pathlib.Path(alone).with_name('vae_dist_cuda')} --config run.yaml a b\n"), done.stderr)

    def test_without_the_other_one_line_says_so(self):
        alone = self.program_named("vae_dist")
        self.write_config("cpu.yaml", "run: {name: by_file}\ndata: {train: {file: shapes.h5, dataset: imgs}}\ndistributed: {device: cpu}\n")
        said = self.run_as(alone, "train", "--config", "cpu.yaml", "--dry-run", **self.with_stand_in_driver())
        self.assertEqual((said.returncode, said.stderr.count("there is no program")), (0, 1), said.stderr)
        refused = self.run_as(alone, "config", VAE_DIST_DEVICE="cuda")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("VAE_DIST_DEVICE=cuda, but there is no program", refused.stderr)

    def test_nothing_replaces_itself_for_ever(self):
        named_so = self.program_named("vae_dist_cuda")
        os.symlink(named_so, pathlib.Path(named_so).with_name("vae_dist"))
        for program in (named_so, pathlib.Path(named_so).with_name("vae_dist")):
            self.assertIn("there is no program", self.run_as(program, "config", VAE_DIST_DEVICE="cuda").stderr)

    def test_other_words_for_the_device_are_refused(self):
        refused = self.run_as(PROGRAM, "config", VAE_DIST_DEVICE="gpu")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("VAE_DIST_DEVICE=gpu is not one of auto, cuda and cpu", refused.stderr)


if __name__ == "__main__":
    unittest.main()
