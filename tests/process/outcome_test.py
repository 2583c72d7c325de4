"""At its end a job pushes its outcome to a real Pushgateway, once, and nothing else."""
import getpass
import os
import re
import signal
import socket
import subprocess
import time
import unittest
import urllib.error
import urllib.request

from deadline import HANGS_S
from ports import free_port
from ranks import signal_all
from runs import PUSHGATEWAY, SMALL, RunFolder



class Outcome(RunFolder):
    @classmethod
    def setUpClass(cls):
        if not PUSHGATEWAY:
            raise AssertionError("these tests need a prometheus-pushgateway: launcher/test.sh fetches one, or set VAE_DIST_PUSHGATEWAY to the program")
        super().setUpClass()
        cls.gateway = f"127.0.0.1:{free_port()}"
        cls.server = subprocess.Popen([PUSHGATEWAY, f"--web.listen-address={cls.gateway}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.addClassCleanup(cls.end_server)
        deadline = time.monotonic() + HANGS_S
        while not cls.answers():
            if time.monotonic() > deadline or cls.server.poll() is not None:
                raise AssertionError("the Pushgateway does not respond")
            time.sleep(0.05)

    @classmethod
    def end_server(cls):
        cls.server.terminate()
        cls.server.wait(timeout=HANGS_S)

    @classmethod
    def answers(cls):
        try:
            with urllib.request.urlopen(f"http://{cls.gateway}/-/ready", timeout=HANGS_S):
                return True
        except (urllib.error.URLError, ConnectionError):
            return False

    def pushed(self, run):
        """{name without vae_dist_job_: (labels besides job, run and instance, value)} of a run's series on the gateway."""
        with urllib.request.urlopen(f"http://{self.gateway}/metrics", timeout=HANGS_S) as response:
            lines = response.read().decode().splitlines()
        found = {}
        for line in lines:
            name, _, rest = line.partition("{")
            labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', rest))
            if name.startswith("vae_dist_") and labels.get("run") == run:
                self.assertEqual((labels.pop("job"), labels.pop("instance"), labels.pop("run"), labels.pop("user")), ("vae_dist", "", run, getpass.getuser()))
                found[name.removeprefix("vae_dist_job_")] = (labels, float(rest.rpartition("}")[2]))
        return found

    def outcome(self, run):
        return self.pushed(run)["outcome"][0]["outcome"]

    def test_a_job_that_is_done_says_so(self):
        # A name that must be escaped in a path.
        name, started = "done ä 100%?", time.time()
        self.train(name, "train.steps=7", f"metrics.push_gateway={self.gateway}", np=2)
        pushed = self.pushed(name)
        self.assertEqual(set(pushed), {"outcome", "last_step", "loss", "duration_seconds", "end_timestamp_seconds"})
        self.assertEqual(pushed["outcome"], ({"outcome": "done"}, 1))
        self.assertEqual(pushed["last_step"], ({}, 7))
        self.assertAlmostEqual(pushed["loss"][1], self.losses(name)[-1], delta=1e-6 * self.losses(name)[-1])
        self.assertTrue(started <= pushed["end_timestamp_seconds"][1] <= time.time())
        self.assertTrue(0 < pushed["duration_seconds"][1] < time.time() - started)

    def test_a_name_that_is_no_utf8_is_escaped_and_the_job_of_a_batch_system_is_told(self):
        self.train(os.fsdecode(b"caf\xe9"), "train.steps=2", f"metrics.push_gateway={self.gateway}", env={"PBS_JOBID": "77.head"})
        self.assertEqual(self.pushed(r"caf\\xe9")["last_step"], ({"job_id": "77.head"}, 2))

    def test_a_job_that_was_stopped_says_so_and_the_next_one_takes_its_place(self):
        run = self.start("train", "--config", "run.yaml", "run.name=stopped", *SMALL, "train.steps=1000000", f"metrics.push_gateway=http://{self.gateway}/", np=2)
        self.addCleanup(run.stdout.close)
        log = self.run_path("stopped") / "metrics.jsonl"
        self.wait_until(lambda: run.poll() is not None or (log.exists() and log.read_bytes().count(b"\n") >= 5), HANGS_S, "the first steps")
        self.assertEqual(self.pushed("stopped"), {}, "nothing is pushed while a job goes on")
        run.send_signal(signal.SIGUSR1)
        said, _ = run.communicate(timeout=HANGS_S)
        self.assertEqual(run.returncode, 75, said)
        steps = max(self.steps("stopped"))
        self.assertEqual(self.outcome("stopped"), "stopped")
        self.assertEqual(self.pushed("stopped")["last_step"][1], steps)
        self.train("stopped", f"train.steps={steps + 3}", f"metrics.push_gateway={self.gateway}")
        self.assertEqual(self.outcome("stopped"), "done")
        self.assertEqual(self.pushed("stopped")["last_step"][1], steps + 3)

    def test_a_job_that_all_ranks_end_for_a_reason_has_failed(self):
        done = self.train("skipping", "train.steps=100", "train.skip_step_above_norm=1e-9", "train.max_skipped_steps=3", f"metrics.push_gateway={self.gateway}", np=2, check=False)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertEqual(self.outcome("skipping"), "failed")
        self.assertEqual(self.pushed("skipping")["last_step"][1], 3)
        self.assertNotIn("loss", self.pushed("skipping"), "no step was taken")

    def test_a_job_whose_rank_stops_answering_has_failed(self):
        with open(self.folder / "output.txt", "w") as output:
            run = self.start("train", "--config", "run.yaml", "run.name=hanging", *SMALL, "train.steps=1000000", "distributed.timeout_s=10", f"metrics.push_gateway={self.gateway}", np=2, output=output)
        self.addCleanup(self.kill, run)
        log = self.run_path("hanging") / "metrics.jsonl"
        self.wait_until(lambda: run.poll() is not None or (log.exists() and log.read_bytes().count(b"\n") >= 10), HANGS_S, "the first steps")
        os.kill(run.ranks()[1], signal.SIGSTOP)
        run.wait(timeout=HANGS_S)
        self.assertEqual(self.outcome("hanging"), "failed")
        self.assertGreaterEqual(self.pushed("hanging")["last_step"][1], 8)

    @staticmethod
    def kill(run):
        signal_all(run.ranks().values())
        run.kill()
        run.wait()

    def test_a_gateway_that_does_not_work_costs_a_warning(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            closed = f"127.0.0.1:{silent.getsockname()[1]}"  # bound, but not listening
            done = self.train("unheard", "train.steps=2", f"metrics.push_gateway={closed}")
            self.assertRegex(done.stderr, rf"warning: cannot push the outcome to {closed}/metrics/job/vae_dist/run/unheard/user/{getpass.getuser()}: .*\(metrics.push_gateway\)")
            # A server that accepts the connection and never answers.
            silent.listen()
            done = self.train("unanswered", "train.steps=2", f"metrics.push_gateway={closed}")
            self.assertIn("warning: cannot push the outcome to", done.stderr)
        refused = self.train("refused", "train.steps=2", f"metrics.push_gateway={self.gateway}/nowhere")
        self.assertRegex(refused.stderr, "warning: cannot push .* the server answered 40")

    def test_what_is_refused_before_the_first_step_is_no_job(self):
        done = self.train("refused", "train.steps=2", "train.global_batch=1000000", f"metrics.push_gateway={self.gateway}", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(self.pushed("refused"), {})


if __name__ == "__main__":
    unittest.main()
