"""Tests of the batch scripts that do not need Slurm."""
import getpass
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from deadline import HANGS_S
from runs import BINARY, SOURCE

SCRIPTS = sorted((SOURCE / "slurm").glob("*.sbatch"))


class Scripts(unittest.TestCase):
    def run_as_job(self, script, *arguments, directory=SOURCE, **variables):
        environment = {**os.environ, "SLURM_JOB_ID": "12", "SLURM_SUBMIT_DIR": str(directory), "VAE_DIST": BINARY, **variables}
        return subprocess.run(["bash", script, *arguments], env=environment, cwd=directory, text=True, capture_output=True, timeout=HANGS_S)

    @unittest.skipUnless(shutil.which("shellcheck"), "not run: shellcheck was not found")
    def test_shellcheck_finds_nothing(self):
        self.assertEqual([script.name for script in SCRIPTS], ["array.sbatch", "chain.sbatch", "train.sbatch"])
        done = subprocess.run(["shellcheck", "--external-sources", "slurm/job.sh", *(script.relative_to(SOURCE) for script in SCRIPTS)], cwd=SOURCE, text=True,
                              capture_output=True, timeout=HANGS_S)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_each_asks_for_as_many_tasks_as_gpus(self):
        for script in SCRIPTS:
            options = dict(re.findall(r"(?m)^#SBATCH --([\w-]+)=(.*)$", script.read_text()))
            self.assertEqual(options["ntasks-per-node"], options["gpus-per-node"], script)
            self.assertEqual(options["signal"], "B:USR1@120", script)
            self.assertFalse([name for name in options if "bind" in name or name == "gpus-per-task"], script)

    def test_what_is_wrong_is_said_and_ends_the_job_with_2(self):
        train, array = SOURCE / "slurm" / "train.sbatch", SOURCE / "slurm" / "array.sbatch"
        with tempfile.TemporaryDirectory() as elsewhere:
            (pathlib.Path(elsewhere) / "empty.txt").write_text("# nothing\n")
            for complaint, done in (
                    ("usage: sbatch slurm/train.sbatch", self.run_as_job(train)),
                    ("usage: sbatch --array", self.run_as_job(array, "configs/shapes.yaml")),
                    ("submit from the root of the checkout", self.run_as_job(train, "configs/shapes.yaml", directory=elsewhere)),
                    ("cannot execute nowhere", self.run_as_job(train, "configs/shapes.yaml", VAE_DIST="nowhere")),
                    ("holds no overrides", self.run_as_job(array, "configs/shapes.yaml", f"{elsewhere}/empty.txt", SLURM_ARRAY_TASK_ID="0")),
                    ("did you mean 'train.global_batch'", self.run_as_job(train, "configs/shapes.yaml", "train.global_bach=3")),
                    ("set it to mpirun or srun", self.run_as_job(train, "configs/shapes.yaml", VAE_DIST_START="ssh"))):
                with self.subTest(complaint):
                    self.assertIn(complaint, done.stderr)
                    self.assertEqual(done.returncode, 2, done.stderr)

    def test_the_runs_file_for_prometheus_is_removed_by_the_name_that_the_program_gives_it(self):
        """The expected name follows src/metrics/service_discovery.cpp. A script that prints the configuration stands in for the program."""
        names = {("auto", "mnist"): "runs/mnist-12.prometheus.json", ("auto", os.fsdecode(b"caf\xe9")): "runs/caf\\xe9-12.prometheus.json",
                 ("/shared", "mnist"): f"/shared/{getpass.getuser()}-mnist-12.prometheus.json"}
        for (place, name), expected in names.items():
            with tempfile.TemporaryDirectory() as folder:
                program = pathlib.Path(folder) / "program"
                program.write_bytes(b"#!/bin/sh\nprintf '%s\\n' " + os.fsencode(f"'{name}' runs {place}") + b"\n")
                program.chmod(0o755)
                done = subprocess.run(["bash", "-c", "source slurm/job.sh; name_run 12 x.yaml 2>/dev/null; trap - EXIT; printf %s \"$discovery\""], cwd=SOURCE, text=True,
                                      env={**os.environ, "SLURM_JOB_ID": "12", "VAE_DIST": str(program), "checkout": "."}, capture_output=True, timeout=60)
                self.assertEqual(done.stdout, expected, done.stderr)

    def test_open_mpi_4_and_5_start_daemons_that_hold_sigterm_back(self):
        done = subprocess.run(["bash", "-c", "source slurm/job.sh; choose_launcher; trap - EXIT; env"], cwd=SOURCE, text=True, capture_output=True, timeout=60,
                              env={**os.environ, "SLURM_JOB_ID": "12", "VAE_DIST": BINARY, "checkout": "."})
        self.assertIn("\nOMPI_MCA_orte_launch_agent=env --block-signal=TERM orted\n", done.stdout)
        self.assertIn("\nPRTE_MCA_prte_launch_agent=env --block-signal=TERM prted\n", done.stdout)

    def test_both_launchers_bind_ranks_beside_their_gpu(self):
        for launcher in ("mpirun", "srun"):
            with self.subTest(launcher), tempfile.TemporaryDirectory() as folder:
                # It prints how it was called. Slurm or Open MPI would start these words on each node.
                tool = pathlib.Path(folder) / launcher
                tool.write_text('#!/bin/sh\nprintf "started: %s\\n" "$*"\n')
                tool.chmod(0o755)
                done = self.run_as_job(SOURCE / "slurm" / "train.sbatch", "configs/shapes.yaml", PATH=f"{folder}:{os.environ['PATH']}", VAE_DIST_START=launcher)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertRegex(done.stdout, rf"(?m)^started: --.* {SOURCE}/launcher/supervise/bound_rank\.py {BINARY} --config configs/shapes\.yaml run\.name=")

    def test_a_script_that_is_no_job_says_how_to_make_it_one(self):
        done = subprocess.run(["bash", "slurm/train.sbatch", "configs/shapes.yaml"], cwd=SOURCE, text=True, capture_output=True, timeout=HANGS_S,
                              env={name: value for name, value in os.environ.items() if not name.startswith("SLURM_")})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("this is a batch script: sbatch slurm/train.sbatch", done.stderr)


if __name__ == "__main__":
    unittest.main()
