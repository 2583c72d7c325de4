"""The batch scripts under a real Slurm of two nodes: whatever ends a part of a job, the job finishes with exactly the weights, byte for byte,
of an undisturbed run.

Requeueing takes time, so jobs run in parallel, as many as the nodes have CPUs for: each scenario is a thread that disturbs and watches its job,
and each test waits for one of them. Ranks are held (SIGSTOP) until the disturbance has been triggered, so a few steps are enough."""
import concurrent.futures
import json
import os
import signal
import subprocess
import unittest

from cluster import GPUS, Cluster
from deadline import HANGS_S
from job import Job
from ranks import signal_all
from runs import BINARY, SMALL, SOURCE, RunFolder

STEPS, CHECKPOINTS_EVERY = 300, 10
# Slow enough to be stopped between two steps.
TRAINING = [*SMALL, "model.hidden_dims=[32, 64]", "train.global_batch=40", f"train.steps={STEPS}", "distributed.replicas=4", "distributed.reproducible=true",
            f"checkpoint.every_steps={CHECKPOINTS_EVERY}", "metrics.port=0", "metrics.address=127.0.0.1"]
ONE_RANK_A_NODE = ["--nodes=2", "--ntasks-per-node=1", "--gpus-per-node=0", "--cpus-per-task=1", "--time=60"]

# Takes the place of a user's build, and records how each rank was started.
PROGRAM = """#!/bin/sh
if [ -n "$PMIX_RANK" ]; then
  echo "$SLURM_JOB_ID $PMIX_RANK $(hostname) $SLURM_PROCID ${CUDA_VISIBLE_DEVICES-unset}" >> starts.txt
fi
exec "%s" "$@"
"""
# Keep Open MPI on this machine, and let its ranks yield, because there are more of them than cores.
OPEN_MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_oob_tcp_if_include": "lo", "OMPI_MCA_btl_tcp_if_include": "lo",
            "OMPI_MCA_mpi_yield_when_idle": "1"}


class Jobs(RunFolder):
    @classmethod
    def setUpClass(cls):
        cls.slurm = Cluster()
        cls.addClassCleanup(cls.slurm.stop)
        super().setUpClass()
        (cls.folder / "slurm").symlink_to(SOURCE / "slurm")
        (cls.folder / "configs").symlink_to(SOURCE / "configs")
        (cls.folder / "launcher").symlink_to(SOURCE / "launcher")
        cls.program("data", "make-shapes", "data/big.h5", "--count", "200", "--size", "128", "--channels", "3", check=True)
        (cls.folder / "build").mkdir()
        program = cls.folder / "build" / "vae_dist"
        program.write_text(PROGRAM % BINARY)
        program.chmod(0o755)
        scenarios = [cls.undisturbed_by_mpirun, cls.undisturbed_by_srun, cls.limited_under_mpirun, cls.limited_under_srun, cls.preempted, cls.killed_under_mpirun,
                     cls.killed_under_srun, cls.cancelled, cls.swept, cls.chained, cls.lost, cls.asked_at_once_under_mpirun, cls.asked_at_once_under_srun, cls.big, cls.reference]
        cls.threads = concurrent.futures.ThreadPoolExecutor(len(scenarios))
        cls.futures = {scenario.__name__: cls.threads.submit(scenario) for scenario in scenarios}

    @classmethod
    def tearDownClass(cls):
        cls.slurm.stop()  # makes scenarios that still wait fail
        cls.threads.shutdown(cancel_futures=True)
        super().tearDownClass()

    @classmethod
    def submit(cls, *arguments, script="train", options=(), start="mpirun", config="run.yaml"):
        """`sbatch OPTIONS slurm/SCRIPT.sbatch CONFIG ARGUMENTS`, as a user does it. Returns the job's number."""
        return cls.slurm.call("sbatch", "--parsable", *ONE_RANK_A_NODE, *options, f"slurm/{script}.sbatch", config, *arguments, cwd=cls.folder,
                              environment={**OPEN_MPI, "VAE_DIST_START": start}).strip()

    @classmethod
    def start_job(cls, *arguments, **how):
        number = cls.submit(*TRAINING, *arguments, **how)
        return Job(cls.slurm, cls.folder, number, f"vae_dist-{number}.log", f"run-{number}")

    # Scenarios: each returns its job or jobs once they have ended.

    @classmethod
    def reference(cls):
        cls.train("whole", *TRAINING, "metrics.port=null", np=2)

    @classmethod
    def undisturbed_by_mpirun(cls, start="mpirun"):
        job = cls.start_job(options=["--ntasks-per-node=2", "--gpus-per-node=2"], start=start)
        job.wait_for(job.discovery.exists, "its file for Prometheus")
        return job, job.wait_for_end()

    @classmethod
    def big(cls):
        """configs/big.yaml as it is, on four ranks, with smaller data, fewer steps and a smaller batch."""
        number = cls.submit("train.steps=2", "train.global_batch=16", "metrics.port=0", "metrics.address=127.0.0.1", config="configs/big.yaml",
                            options=["--ntasks-per-node=2", "--gpus-per-node=2"])
        job = Job(cls.slurm, cls.folder, number, f"vae_dist-{number}.log", f"big-{number}")
        return job, job.wait_for_end()

    @classmethod
    def undisturbed_by_srun(cls):
        return cls.undisturbed_by_mpirun(start="srun")

    @classmethod
    def limited_under_mpirun(cls, start="mpirun"):
        job = cls.start_job(start=start)
        job.hold()
        job.meet_its_limit()
        job.wait_until_queued_again()
        return job, job.wait_for_end()

    @classmethod
    def limited_under_srun(cls):
        return cls.limited_under_mpirun(start="srun")

    @classmethod
    def preempted(cls):
        jobs = []
        for start in ("mpirun", "srun"):
            jobs.append(cls.start_job(options=["--partition=low", "--gpus-per-node=1"], start=start))
            jobs[-1].hold()
        # Wait until only these two jobs occupy GPUs.
        for undisturbed in ("undisturbed_by_mpirun", "undisturbed_by_srun"):
            cls.futures[undisturbed].result()
        cls.slurm.call("sbatch", "--partition=high", "--nodes=2", f"--gpus-per-node={GPUS}", "--output=/dev/null", "--wrap=true", cwd=cls.folder)
        for job in jobs:
            job.wait_until_queued_again()
        return [(job, job.wait_for_end()) for job in jobs]

    @classmethod
    def killed_under_mpirun(cls, start="mpirun"):
        job = cls.start_job(start=start)
        # Wait before the hold, which also stops the writing thread. Any checkpoint will do, because the oldest are removed.
        job.wait_for(lambda: any((job.run / "checkpoints").glob("step_*")), "a checkpoint")
        job.hold()
        os.kill(job.held[1], signal.SIGKILL)
        os.kill(job.held[0], signal.SIGCONT)
        job.wait_until_queued_again()
        return job, job.wait_for_end()

    @classmethod
    def killed_under_srun(cls):
        return cls.killed_under_mpirun(start="srun")

    @classmethod
    def cancelled(cls):
        job = cls.start_job()
        job.hold()
        cls.slurm.call("scancel", job.number)
        job.wait_for_state("CANCELLED")
        job.wait_for_words("75: ended")
        if job.discovery.exists():
            raise AssertionError(f"{job.discovery} is still there")
        cls.slurm.call("scontrol", "requeue", job.number)
        return job, job.wait_for_end()

    @classmethod
    def lost(cls):
        job = cls.start_job("checkpoint.every_steps=0")
        job.hold()
        # One that is left would save the last step.
        signal_all(job.held.values())
        return job, job.wait_for_end()

    @classmethod
    def asked_at_once_under_mpirun(cls, start="mpirun"):
        job = cls.start_job(start=start)
        job.wait_for(job.ranks, "the start of a rank")  # long before its first step
        cls.slurm.call("scancel", "--batch", "--signal=USR1", job.number)
        job.wait_until_queued_again()
        return job, job.wait_for_end()

    @classmethod
    def asked_at_once_under_srun(cls):
        return cls.asked_at_once_under_mpirun(start="srun")

    SWEEP = ["run.seed=7 train.optimizer.learning_rate=0.002", "model.hidden_dims=[16,32]"]

    @classmethod
    def swept(cls):
        (cls.folder / "sweep.txt").write_text(f"# what differs\n{cls.SWEEP[0]}\n\n{cls.SWEEP[1]}\n")
        number = cls.submit("sweep.txt", *TRAINING, script="array", options=["--array=0-2", "--nodes=1", "--ntasks-per-node=2"])
        tasks = [Job(cls.slurm, cls.folder, f"{number}_{k}", f"vae_dist_sweep-{number}_{k}.log", f"run-{number}_{k}") for k in range(3)]
        tasks[1].hold()
        tasks[1].meet_its_limit()
        tasks[1].wait_until_queued_again()
        for k, overrides in enumerate(cls.SWEEP):
            cls.train(f"line{k}", *TRAINING, *overrides.split(), "metrics.port=null", np=2)
        return [(task, task.wait_for_end()) for task in tasks]

    @classmethod
    def chained(cls):
        number = cls.submit(*TRAINING, script="chain", options=["--array=1-4%1"])
        pieces = [Job(cls.slurm, cls.folder, f"{number}_{k}", f"vae_dist_chain-{number}.log", f"run-{number}") for k in (1, 2)]
        pieces[0].hold()
        pieces[0].meet_its_limit()
        ended = [(piece, piece.wait_for_end()) for piece in pieces]
        return ended, cls.slurm.call("squeue", "--noheader", "--array", f"--job={number}")

    # Checks shared by the scenarios.

    def outcome(self, scenario):
        return self.futures[scenario].result()

    def assert_same_weights(self, job, reference="whole"):
        self.outcome("reference")
        weights = [self.checkpoint(run, STEPS) / "weights.safetensors" for run in (job.run.name, reference)]
        self.assertEqual(weights[0].read_bytes(), weights[1].read_bytes())
        self.assertEqual([record["step"] for record in self.log(job.run.name) if "loss" in record], list(range(1, STEPS + 1)))

    def assert_done(self, job, facts, restarts, reference="whole"):
        """The job succeeded after so many restarts, and its run is as if there had been none."""
        self.assertEqual((facts["JobState"], facts["ExitCode"], facts["Restarts"]), ("COMPLETED", "0:0", str(restarts)), job.said())
        self.assertFalse(job.discovery.exists())
        self.assertEqual(json.loads((job.run / "environment.json").read_text())["restarts"], restarts)
        self.assert_same_weights(job, reference)

    def assert_started_right(self, job):
        """Two ranks on each of two nodes, each of which saw both GPUs of its node."""
        starts = [line.split() for line in (self.folder / "starts.txt").read_text().splitlines()]
        mine = sorted((int(rank), host, int(procid), gpus) for number, rank, host, procid, gpus in starts if number == job.number)
        self.assertEqual([(rank, host) for rank, host, _, _ in mine], [(0, "node1"), (1, "node1"), (2, "node2"), (3, "node2")])
        self.assertEqual(json.loads((job.run / "environment.json").read_text())["hosts"], "node1 (2 ranks), node2 (2 ranks)")
        for *_, gpus in mine:
            self.assertRegex(gpus, r"^\d,\d$")
        return [procid for _, _, procid, _ in mine]

    def test_the_cluster_listens_on_this_machine_alone(self):
        listening = [line.split() for line in subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout.splitlines()]
        addresses = [words[3] for words in listening if any(f"pid={pid}," in words[-1] for pid in self.slurm.daemons())]
        self.assertGreaterEqual(len(addresses), 3)
        self.assertEqual([address for address in addresses if not address.startswith("127.0.0.1:")], [])

    def test_mpirun_on_two_nodes(self):
        job, facts = self.outcome("undisturbed_by_mpirun")
        self.assert_done(job, facts, restarts=0)
        # SLURM_PROCID is not the rank but belongs to mpirun's daemon on the node.
        self.assertNotEqual(self.assert_started_right(job), [0, 1, 2, 3])

    def test_the_large_configuration_on_two_nodes(self):
        job, facts = self.outcome("big")
        self.assertEqual((facts["JobState"], facts["ExitCode"]), ("COMPLETED", "0:0"), job.said())
        self.assertEqual([record["step"] for record in self.log(job.run.name) if "loss" in record][-1], 2)
        self.assertRegex(job.said(), r"order +R = 8 ")

    def test_srun_with_pmix_on_two_nodes(self):
        job, facts = self.outcome("undisturbed_by_srun")
        self.assert_done(job, facts, restarts=0)
        self.assertEqual(self.assert_started_right(job), [0, 1, 2, 3])

    def test_srun_without_pmix_is_refused(self):
        done = subprocess.run(["srun", "--nodes=2", "--ntasks=2", "--mpi=none", "build/vae_dist", "--config", "run.yaml"], env=self.slurm.environment, cwd=self.folder,
                              text=True, capture_output=True, timeout=HANGS_S, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("use srun --mpi=pmix (MPICH: srun --mpi=pmi2, Cray: srun --mpi=cray_shasta), or mpirun", done.stderr)

    def assert_stopped_with_a_checkpoint(self, job, verdict):
        self.assertIn("stopped on request after step", job.said())
        self.assertIn(f"the ranks have ended with code 75: {verdict}", job.said())

    def test_the_signal_before_the_time_limit_costs_no_step(self):
        for scenario in ("limited_under_mpirun", "limited_under_srun"):
            with self.subTest(scenario):
                job, facts = self.outcome(scenario)
                self.assert_stopped_with_a_checkpoint(job, "again")
                self.assert_done(job, facts, restarts=1)

    def test_a_signal_that_comes_before_the_first_step_waits_for_it(self):
        for scenario in ("asked_at_once_under_mpirun", "asked_at_once_under_srun"):
            with self.subTest(scenario):
                job, facts = self.outcome(scenario)
                self.assert_stopped_with_a_checkpoint(job, "again")
                self.assert_done(job, facts, restarts=1)

    def test_preemption_costs_no_step(self):
        for job, facts in self.outcome("preempted"):
            with self.subTest(job.said()[:200]):
                self.assert_stopped_with_a_checkpoint(job, "ended")
                self.assert_done(job, facts, restarts=1)

    def test_a_job_whose_rank_is_killed_goes_on_from_the_last_checkpoint(self):
        for scenario in ("killed_under_mpirun", "killed_under_srun"):
            with self.subTest(scenario):
                job, facts = self.outcome(scenario)
                self.assertRegex(job.said(), r"the ranks have ended with code \d+: again")
                self.assert_done(job, facts, restarts=1)

    def test_a_cancelled_job_can_be_queued_again(self):
        job, facts = self.outcome("cancelled")
        self.assert_stopped_with_a_checkpoint(job, "ended")
        self.assert_done(job, facts, restarts=1)

    def test_a_job_that_gets_no_further_ends(self):
        job, facts = self.outcome("lost")
        self.assertEqual((facts["JobState"], facts["Restarts"]), ("FAILED", "0"), job.said())
        self.assertFalse(job.discovery.exists())
        self.assertRegex(job.said(), r"the ranks have ended with code \d+: failed")

    def test_an_array_trains_a_run_for_each_line(self):
        *tasks, (beyond, end) = self.outcome("swept")
        for k, (task, facts) in enumerate(tasks):
            with self.subTest(self.SWEEP[k]):
                self.assert_done(task, facts, restarts=k, reference=f"line{k}")  # the second was stopped once
        self.assertEqual((end["JobState"], end["ExitCode"]), ("FAILED", "2:0"))
        self.assertIn("sweep.txt has 2 lines, so task 2 has none", beyond.said())

    def test_a_chain_trains_one_run_in_pieces(self):
        ((first, stopped), (second, last)), still_queued = self.outcome("chained")
        self.assertEqual(still_queued, "")
        self.assertEqual((stopped["JobState"], stopped["ExitCode"]), ("FAILED", "75:0"))
        self.assertEqual((last["JobState"], last["ExitCode"]), ("COMPLETED", "0:0"))
        self.assertIn("piece 2 of at most 4", second.said())
        self.assertFalse(first.discovery.exists())
        self.assert_same_weights(first)


if __name__ == "__main__":
    unittest.main()
