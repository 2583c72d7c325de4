"""Tests of the facts read from the program's configuration and from the run directory."""
import json
import os
import pathlib
import tempfile
import unittest

from supervise import run_facts


def printed(**changed):
    """The output of `vae_dist config` for a run's keys, with some of them changed (dots written as __)."""
    values = {"run.name": "big # one", "run.directory": "runs/here", "metrics.service_discovery": "auto", "train.global_batch": "64", "train.batch_per_replica": "null",
              "distributed.replicas": "null", "distributed.reproducible": "true", "distributed.device": "auto", "distributed.share_gpu": "false",
              **{key.replace("__", "."): value for key, value in changed.items()}}
    return "".join(values[key] + "\n" for key in run_facts.KEYS)


class Config(unittest.TestCase):
    def test_facts_follow_from_the_printed_values(self):
        facts = run_facts.facts_of(printed())
        self.assertEqual(facts.path, pathlib.Path("runs/here/big # one"))
        self.assertEqual(facts.discovery_file, pathlib.Path("runs/here/big # one.prometheus.json"))
        self.assertEqual((facts.replicas, facts.global_batch, facts.reproducible, facts.on_gpu, facts.share_gpu), (None, 64, True, True, False))

    def test_what_is_given_counts(self):
        facts = run_facts.facts_of(printed(distributed__replicas="8", train__batch_per_replica="16", distributed__reproducible="false", distributed__device="cpu",
                                           distributed__share_gpu="true", metrics__service_discovery="/etc/targets"))
        self.assertEqual(facts.discovery_file, pathlib.Path(f"/etc/targets/{run_facts.user_name()}-big # one.prometheus.json"))
        self.assertEqual((facts.replicas, facts.global_batch, facts.reproducible, facts.on_gpu, facts.share_gpu), (8, None, False, False, True))


    def test_a_name_that_is_no_utf8_is_escaped_where_prometheus_reads_it_alone(self):
        facts = run_facts.facts_of(printed(run__name=os.fsdecode(b"caf\xe9")))
        self.assertEqual(os.fsencode(facts.path), b"runs/here/caf\xe9")
        self.assertEqual(facts.discovery_file, pathlib.Path("runs/here/caf\\xe9.prometheus.json"))


class RunDirectory(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.run_path = pathlib.Path(folder.name)

    def save(self, step, state='{"replicas": 8}', name=None):
        folder = self.run_path / "checkpoints" / (name or f"step_{step:08d}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "manifest.json").write_text("{}")
        (folder / "state.json").write_text(state)

    def test_checkpoints_are_the_complete_ones(self):
        self.assertEqual(run_facts.checkpoints(self.run_path), set())
        self.save(10)
        self.save(20)
        self.save(30, name="step_00000030.broken_1")
        self.save(40, name=".tmp_step_00000040_77")
        (self.run_path / "checkpoints" / "step_00000050").mkdir()
        self.assertEqual(sorted(step for step, _ in run_facts.checkpoints(self.run_path)), [10, 20])

    def test_a_step_saved_again_is_progress(self):
        self.save(10)
        before = run_facts.checkpoints(self.run_path)
        (self.run_path / "checkpoints" / "step_00000010" / "manifest.json").write_text("{ }")
        self.assertTrue(run_facts.checkpoints(self.run_path) - before)

    def test_replicas_are_those_of_the_newest_that_can_be_read(self):
        self.assertIsNone(run_facts.saved_replicas(self.run_path))
        self.save(10, json.dumps({"replicas": 4}))
        self.save(20, '{"repl')
        self.assertEqual(run_facts.saved_replicas(self.run_path), 4)
        self.save(30, json.dumps({"replicas": 0}))
        self.assertIsNone(run_facts.saved_replicas(self.run_path))

    def test_the_time_of_the_last_checkpoint_is_what_the_program_noted(self):
        self.assertIsNone(run_facts.checkpoint_seconds(self.run_path))
        for text, seconds in (('{"seconds":0.25}\n', 0.25), ('{"seconds":', None), ("[]", None), ('{"seconds":null}', None)):
            (self.run_path / "checkpoint_time.json").write_text(text)
            self.assertEqual(run_facts.checkpoint_seconds(self.run_path), seconds)

    def test_the_last_step_is_that_of_the_last_whole_line(self):
        self.assertEqual(run_facts.last_logged_step(self.run_path), 0)
        (self.run_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 17, "loss": 1}\n{"step": 1')
        self.assertEqual(run_facts.last_logged_step(self.run_path), 17)


if __name__ == "__main__":
    unittest.main()
