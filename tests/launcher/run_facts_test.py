"""What is read from the program's configuration and from the run directory."""
import json
import pathlib
import tempfile
import unittest

from supervise import run_facts

PRINTED = '''run:
  name: "a \\"b\\" #\\x09"                   # the run directory is <directory>/<name>
  directory: runs/here                    # where run directories are made

train:
  global_batch: 64                        # G: over all ranks
  # batch_per_replica: null               # instead
  optimizer:
    name: adam                            # adam | adamw
distributed:
  device: auto                            # auto | cuda | cpu; auto on a node that has a GPU
                                          # run
  replicas: null                          # R: parts
  reproducible: true                      # the same bits
  share_gpu: false                        # allow
metrics:
  service_discovery: auto                 # directory
'''


class Config(unittest.TestCase):
    def test_values_are_read_as_the_program_prints_them(self):
        values = run_facts.parse_printed_config(PRINTED)
        self.assertEqual(values["run.name"], 'a "b" #\t')
        self.assertEqual(values["train.optimizer.name"], "adam")
        self.assertEqual((values["train.global_batch"], values["distributed.replicas"], values["distributed.reproducible"]), (64, None, True))
        self.assertNotIn("train.batch_per_replica", values)

    def test_facts_follow(self):
        facts = run_facts.facts_of({**run_facts.parse_printed_config(PRINTED), "run.name": "big"})
        self.assertEqual(facts.path, pathlib.Path("runs/here/big"))
        self.assertEqual(facts.discovery_file, pathlib.Path("runs/here/big.prometheus.json"))
        self.assertEqual((facts.replicas, facts.global_batch, facts.reproducible, facts.on_gpu, facts.share_gpu), (None, 64, True, True, False))


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

    def test_the_last_step_is_that_of_the_last_whole_line(self):
        self.assertEqual(run_facts.last_logged_step(self.run_path), 0)
        (self.run_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 17, "loss": 1}\n{"step": 1')
        self.assertEqual(run_facts.last_logged_step(self.run_path), 17)


if __name__ == "__main__":
    unittest.main()
