"""distributed.reproducible: the same bits at 1, 2, 4 and 8 ranks, after stops, and with other buckets."""
import unittest

from runs import RunFolder

STEPS = 60


class Reproducible(RunFolder):
    """R = 8, batches of 4 samples, epochs of 6 steps, an evaluation after each, and a checkpoint in mid-run."""

    SETTINGS = ["distributed.reproducible=true", "distributed.replicas=8", "train.global_batch=32", "checkpoint.every_steps=30",
                "evaluate.every_epochs=1", "data.validation={file: shapes.h5, dataset: imgs, rows: [150, 200]}", "checkpoint.keep=20"]

    @classmethod
    def reproduce(cls, name, *overrides, np, steps=STEPS, **options):
        return cls.train(name, *cls.SETTINGS, f"train.steps={steps}", *overrides, np=np, **options)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reproduce("np1", np=1)

    def result(self, name):
        """Checks everything that must be equal: weights and optimizer at both checkpoints, every loss, every evaluation."""
        files = [(self.checkpoint(name, step) / file).read_bytes() for step in (30, STEPS) for file in ("weights.safetensors", "optimizer.safetensors")]
        times = ("step_seconds", "samples_per_second", "data_wait_seconds", "allreduce_wait_seconds")
        return files, [{key: value for key, value in record.items() if key not in times} for record in self.log(name) if "ranks" not in record]

    def assert_same_bits(self, name):
        files, records = self.result(name)
        expected_files, expected_records = self.result("np1")
        self.assertEqual(records, expected_records)
        for mine, expected in zip(files, expected_files):
            self.assertEqual(mine, expected)

    def test_two_four_and_eight_ranks_train_what_one_trains(self):
        for np in (2, 4, 8):
            with self.subTest(np=np):
                self.reproduce(f"np{np}", np=np)
                self.assert_same_bits(f"np{np}")

    def test_a_run_that_moves_from_four_ranks_to_one_to_eight_in_mid_epoch(self):
        for np, steps in ((4, 31), (1, 47), (8, STEPS)):
            self.reproduce("moved", np=np, steps=steps)
        # Each part ends with an additional evaluation. All other lines must match.
        files, records = self.result("moved")
        expected_files, expected_records = self.result("np1")
        self.assertEqual(files[2:], expected_files[2:])
        self.assertEqual([record for record in records if "loss" in record], [record for record in expected_records if "loss" in record])

    def test_a_second_run_and_other_buckets(self):
        for name, override in (("again", []), ("buckets", ["distributed.first_bucket_mib=0.001", "distributed.bucket_mib=0.002"])):
            with self.subTest(name):
                self.reproduce(name, *override, np=2)
                self.assert_same_bits(name)

    def test_with_channels_last_off_bits_are_others_but_again_the_same_at_every_number_of_ranks(self):
        # Convolutions in the other memory format sum in another order.
        self.reproduce("nchw1", "train.channels_last=false", np=1)
        self.reproduce("nchw4", "train.channels_last=false", np=4)
        self.assertEqual(self.result("nchw4"), self.result("nchw1"))
        self.assertNotEqual(self.result("nchw1")[0], self.result("np1")[0])

    def test_every_way_of_convolutions_gives_bits_of_its_own_at_every_number_of_ranks(self):
        found = []
        for way in ("onednn", "products", "direct"):
            with self.subTest(way):
                for np in (1, 4):
                    self.reproduce(f"{way}{np}", f"train.convolutions={way}", np=np)
                self.assertEqual(self.result(f"{way}4"), self.result(f"{way}1"))
                found.append(self.result(f"{way}1")[0])
        self.assertEqual(len({files[0] for files in found}), 3)

    def test_another_thread_count_on_resume_is_a_warning_that_bits_may_differ(self):
        self.reproduce("threads", np=2, steps=6)
        again = self.reproduce("threads", np=2, steps=8)
        self.assertNotIn("may not be bitwise equal", again.stderr)
        more = self.reproduce("threads", "distributed.threads_per_rank=2", np=2, steps=10)
        self.assertEqual(more.stderr.count("may not be bitwise equal"), 1, more.stderr)
        self.assertRegex(more.stderr, r"computed with CPU .*, 1 thread, but this run continues with CPU .*, 2 threads")

    def test_it_can_fail_without_the_mode_bits_differ(self):
        self.reproduce("plain1", "distributed.reproducible=false", np=1)
        self.reproduce("plain4", "distributed.reproducible=false", np=4)
        self.assertNotEqual(self.result("plain1")[0], self.result("plain4")[0])

    def test_numbers_that_make_no_binary_tree_are_refused(self):
        for overrides, np, what in ((["distributed.replicas=6", "train.global_batch=36"], 1, "number of replicas must be a power of two"),
                                    (["distributed.batch_norm=sync"], 1, "batch_norm local")):
            done = self.reproduce("refused", *overrides, np=np, check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(what, done.stderr)


if __name__ == "__main__":
    unittest.main()
