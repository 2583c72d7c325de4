"""Training on a GPU gives the results of the CPU at any number of ranks, and the same bits at any number of ranks in reproducible mode."""
import unittest

from comparing import gradient_difference, loss_differences
from gpu_runs import ON_GPU, GpuRunFolder
from runs import SMALL

STEPS = 40  # 12 per epoch


class Start(GpuRunFolder):
    def test_says_which_gpu_each_rank_has_and_what_connects_them(self):
        said = self.train_on_gpu("told", "train.steps=2", np=2).stderr
        self.assertRegex(said, r"(?m)^  runs on  +\S.* at [0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.0")
        self.assertRegex(said, r"(?m)^NCCL carries gradients by (P2P/|SHM|NET/)")
        self.assertNotIn("NCCL INFO", said)


class WorldSize(GpuRunFolder):
    """R = 2: a world of one rank runs two replicas in turn."""

    def assert_same_curve(self, name, reference, first_steps, to_the_end):
        differences = loss_differences(self.steps(name), self.steps(reference))
        self.assertEqual(len(differences), STEPS)
        self.assertLess(max(differences[step] for step in (1, 2, 3)), first_steps, f"{name}, first steps")
        self.assertLess(max(differences.values()), to_the_end, f"{name}, all steps")

    def test_the_gpu_trains_what_the_cpu_trains(self):
        settings = [f"train.steps={STEPS}", "distributed.replicas=2", "train.precision=fp64", "data.horizontal_flip=true"]
        self.train("cpu", *settings)
        self.train_on_gpu("gpu", *settings)
        self.assert_same_curve("gpu", "cpu", 1e-9, 1e-6)

    def test_two_ranks_with_local_batch_norm_train_what_one_trains(self):
        for precision, first_steps, to_the_end in (("fp64", 1e-9, 1e-9), ("fp32", 1e-5, 1e-3)):
            with self.subTest(precision):
                for np in (1, 2):
                    self.train_on_gpu(f"local_{precision}_{np}", f"train.steps={STEPS}", "distributed.replicas=2", f"train.precision={precision}", np=np)
                self.assert_same_curve(f"local_{precision}_2", f"local_{precision}_1", first_steps, to_the_end)

    def test_sync_batch_norm_is_one_process_with_the_whole_batch(self):
        for precision, first_steps, to_the_end in (("fp64", 1e-9, 1e-9), ("fp32", 1e-5, 1e-3)):
            with self.subTest(precision):
                settings = [f"train.steps={STEPS}", f"train.precision={precision}"]
                self.train_on_gpu(f"whole_{precision}", *settings, "distributed.replicas=1")
                for np in (1, 2):
                    self.train_on_gpu(f"sync_{precision}_{np}", *settings, "distributed.replicas=2", "distributed.batch_norm=sync", np=np)
                    self.assert_same_curve(f"sync_{precision}_{np}", f"whole_{precision}", first_steps, to_the_end)

    def test_every_gradient_is_the_same_at_four_ranks(self):
        for batch_norm in ("local", "sync"):
            with self.subTest(batch_norm):
                for np in (1, 4):
                    self.train_on_gpu(f"{batch_norm}_{np}", "train.steps=1", "distributed.replicas=4", "train.precision=fp64", f"distributed.batch_norm={batch_norm}", np=np)
                self.assertLess(gradient_difference(self.checkpoint(f"{batch_norm}_4"), self.checkpoint(f"{batch_norm}_1")), 1e-9)


class CudaGraph(GpuRunFolder):
    """R = 2: two graphs at one rank, one at two."""

    CAPTURED = "from here on a step is one CUDA graph"

    def test_a_run_says_whether_its_step_is_captured(self):
        settings = ["train.steps=8", "distributed.replicas=2"]
        for np in (1, 2):
            with self.subTest(np=np):
                said = self.train_on_gpu(f"auto_{np}", *settings, np=np)
                self.assertEqual((said.stdout + said.stderr).count(self.CAPTURED), 1)
        said = self.train_on_gpu("never", *settings, "train.cuda_graph=false")
        self.assertNotIn("CUDA graph", said.stdout + said.stderr)

    def test_a_run_that_cannot_capture_says_why_and_trains_all_the_same(self):
        for setting, reason in (("distributed.batch_norm=sync", "distributed.batch_norm is sync"), ("train.precision=fp64", "train.precision is fp64")):
            with self.subTest(setting):
                said = self.train_on_gpu(setting.split("=")[1], "train.steps=8", setting)
                self.assertIn(f"steps are not captured in a CUDA graph: {reason}", said.stdout + said.stderr)

    def test_true_is_refused_where_it_cannot_be(self):
        said = self.program("train", "--config", "run.yaml", "run.name=refused", *SMALL, *ON_GPU, "train.steps=8", "train.precision=fp64", "train.cuda_graph=true")
        self.assertEqual(said.returncode, 2, said.stdout + said.stderr)
        self.assertIn("train.cuda_graph is true", said.stderr)

    def assert_captured_and_resumed_runs_have_the_bits_of_an_eager_one(self, np):
        settings = ["distributed.replicas=2", "distributed.reproducible=true", "train.gradient_clip_norm=0.1"]
        self.train_on_gpu(f"eager_{np}", *settings, "train.steps=20", "train.cuda_graph=false", np=np)
        self.train_on_gpu(f"captured_{np}", *settings, "train.steps=20", np=np)
        for steps in (9, 20):
            self.train_on_gpu(f"resumed_{np}", *settings, f"train.steps={steps}", np=np)
        for name in (f"captured_{np}", f"resumed_{np}"):
            for file in ("weights.safetensors", "optimizer.safetensors"):
                same = (self.checkpoint(name) / file).read_bytes() == (self.checkpoint(f"eager_{np}") / file).read_bytes()
                self.assertTrue(same, f"{name}: {file} differs")

    def test_captured_eager_and_resumed_runs_of_one_rank_have_the_same_bits(self):
        self.assert_captured_and_resumed_runs_have_the_bits_of_an_eager_one(np=1)

    def test_captured_eager_and_resumed_runs_of_two_ranks_have_the_same_bits(self):
        self.assert_captured_and_resumed_runs_have_the_bits_of_an_eager_one(np=2)


class Reproducible(GpuRunFolder):
    """R = 4, evaluated after each epoch of 6 steps, with a checkpoint in mid-run."""

    SETTINGS = ["distributed.replicas=4", "train.global_batch=24", "checkpoint.every_steps=15", "evaluate.every_epochs=1", "checkpoint.keep=20",
                "data.train={file: shapes.h5, dataset: imgs, rows: [0, 150]}", "data.validation={file: shapes.h5, dataset: imgs, rows: [150, 200]}"]
    END = 30

    @classmethod
    def reproduce(cls, name, *overrides, np, steps=END):
        return cls.train_on_gpu(name, *cls.SETTINGS, "distributed.reproducible=true", f"train.steps={steps}", *overrides, np=np)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reproduce("np1", np=1)

    def files(self, name, *steps):
        return [(self.checkpoint(name, step) / file).read_bytes() for step in steps for file in ("weights.safetensors", "optimizer.safetensors")]

    def records(self, name, kind):
        times = ("step_seconds", "samples_per_second", "data_wait_seconds", "allreduce_wait_seconds")
        return [{key: value for key, value in record.items() if key not in times} for record in self.log(name) if kind in record]

    def assert_same_bits(self, name):
        self.assertEqual(self.records(name, "loss"), self.records("np1", "loss"))
        self.assertEqual(self.records(name, "evaluated"), self.records("np1", "evaluated"))
        # assertTrue, because assertEqual would print the files.
        self.assertTrue(self.files(name, 15, self.END) == self.files("np1", 15, self.END), f"{name}: weights or optimizer state differ")

    def test_two_and_four_ranks_train_what_one_trains(self):
        for np in (2, 4):
            with self.subTest(np=np):
                self.reproduce(f"np{np}", np=np)
                self.assert_same_bits(f"np{np}")

    def test_a_second_run_and_other_buckets(self):
        self.reproduce("again", np=1)
        self.assert_same_bits("again")
        self.reproduce("buckets", "distributed.first_bucket_mib=0.001", "distributed.bucket_mib=0.002", np=2)
        self.assert_same_bits("buckets")

    def test_a_run_that_moves_from_four_ranks_to_one_to_two_in_mid_epoch(self):
        for np, steps in ((4, 16), (1, 23), (2, self.END)):
            self.reproduce("moved", np=np, steps=steps)
        self.assertEqual(self.records("moved", "loss"), self.records("np1", "loss"))
        self.assertTrue(self.files("moved", self.END) == self.files("np1", self.END), "weights or optimizer state differ")

    def test_it_can_fail_without_the_mode_bits_differ(self):
        for np in (1, 4):
            self.train_on_gpu(f"plain{np}", *self.SETTINGS, f"train.steps={self.END}", np=np)
        self.assertFalse(self.files("plain1", self.END) == self.files("plain4", self.END))


if __name__ == "__main__":
    unittest.main()
