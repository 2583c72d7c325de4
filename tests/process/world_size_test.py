"""Training does not depend on the number of ranks: mpirun with 1, 2 and 4 real processes gives the same run."""
import unittest

from comparing import gradient_difference, loss_differences
from runs import RunFolder

WORLDS = (1, 2, 4)
STEPS = 40  # 12 per epoch, so several orders are drawn


class WorldSize(RunFolder):
    """R = 4 everywhere: a world of one rank runs four replicas in turn, a world of four one each."""

    @classmethod
    def train_in_every_world(cls, name, *overrides):
        for np in WORLDS:
            cls.train(f"{name}_{np}", f"train.steps={STEPS}", "distributed.replicas=4", *overrides, np=np)

    @classmethod
    def train_whole_batch(cls, name, *overrides):
        """Trains with one replica: batch norm over the whole batch, as in a plain single-process program."""
        cls.train(name, f"train.steps={STEPS}", "distributed.replicas=1", "distributed.batch_norm=local", *overrides)

    def assert_same_curve(self, name, reference, first_steps, to_the_end):
        """Checks bounds on the relative difference of every loss: over the first 3 steps, and over all steps."""
        differences = loss_differences(self.steps(name), self.steps(reference))
        self.assertEqual(len(differences), STEPS)
        self.assertLess(max(differences[step] for step in (1, 2, 3)), first_steps, f"{name}, first steps")
        self.assertLess(max(differences.values()), to_the_end, f"{name}, all steps")

    # Seen: 5e-16 at any step.
    def test_local_batch_norm_gives_the_same_losses_in_fp64(self):
        self.train_in_every_world("local64", "train.precision=fp64")
        for np in WORLDS[1:]:
            self.assert_same_curve(f"local64_{np}", "local64_1", 1e-9, 1e-9)

    # Seen: 1.1e-7 over the first steps, 2.3e-7 up to step 40.
    def test_local_batch_norm_gives_the_same_losses_in_fp32(self):
        self.train_in_every_world("local32", "train.precision=fp32")
        for np in WORLDS[1:]:
            self.assert_same_curve(f"local32_{np}", "local32_1", 1e-5, 1e-3)

    # Seen: 5.8e-4 over the first steps, 8.2e-3 up to step 40 (Adam makes full steps of small gradients too).
    def test_gradients_that_travel_as_bf16_change_little(self):
        bf16 = ("train.precision=fp32", "distributed.compress=bf16")
        self.train_in_every_world("bf16", *bf16)
        for np in WORLDS[1:]:
            self.assert_same_curve(f"bf16_{np}", "bf16_1", 3e-3, 3e-2)  # one rank sends nothing, so nothing is rounded in transit
            self.assertNotEqual(self.losses(f"bf16_{np}"), self.losses("bf16_1"))

    # Seen: 6e-15 at any step.
    def test_sync_batch_norm_is_one_process_with_the_whole_batch_in_fp64(self):
        flip = ("data.horizontal_flip=true", "train.precision=fp64")
        self.train_in_every_world("sync64", "distributed.batch_norm=sync", *flip)
        self.train_whole_batch("whole64", *flip)
        for np in WORLDS:
            self.assert_same_curve(f"sync64_{np}", "whole64", 1e-9, 1e-9)

        # If nothing were flipped, the comparison above would not prove that flips are the same in every world.
        self.train_whole_batch("unflipped64", "train.precision=fp64")
        self.assertGreater(abs(self.losses("whole64")[0] / self.losses("unflipped64")[0] - 1), 1e-4)

    # Seen: 1.3e-6 over the first steps, 2e-6 up to step 40.
    def test_sync_batch_norm_is_one_process_with_the_whole_batch_in_fp32(self):
        self.train_in_every_world("sync32", "distributed.batch_norm=sync", "train.precision=fp32")
        self.train_whole_batch("whole32", "train.precision=fp32")
        for np in WORLDS:
            self.assert_same_curve(f"sync32_{np}", "whole32", 1e-5, 1e-3)

    def test_local_and_sync_batch_norm_differ(self):
        # Two trainings at R = 4 must differ: if sync and local were confused, the tests above could still pass.
        self.train("local", "train.steps=1", "distributed.replicas=4")
        self.train("sync", "train.steps=1", "distributed.replicas=4", "distributed.batch_norm=sync")
        self.assertGreater(loss_differences(self.steps("local"), self.steps("sync"))[1], 1e-3)


class FirstStep(RunFolder):
    """One step with each rule for M_N, precision and batch norm: checks M_N itself and every gradient."""

    # G = 16; rows make N = 150 of the 200; an image has 16 * 16 values.
    RULES = {
        "reference": (["weight=0.0005", "batch=32"], 0.0005 * 16 / 32, ["train.precision=fp64"]),
        "fixed": (["weight=0.003"], 0.003, ["train.precision=fp32"]),
        "batch_over_dataset": ([], 16 / 150, ["train.precision=fp64", "distributed.batch_norm=sync"]),
        "elbo": ([], 1 / 256, ["train.precision=fp32", "distributed.batch_norm=sync"]),
    }

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for rule, (terms, _, overrides) in cls.RULES.items():
            keys = [f"objective.kld_weight.{term}" for term in (f"rule={rule}", *terms)]
            for np in WORLDS:
                cls.train(f"{rule}_{np}", "train.steps=1", "distributed.replicas=4", "data.train.rows=[50, 200]", *keys, *overrides, np=np)

    def test_kld_weight_follows_the_global_batch_at_every_world_size(self):
        for rule, (_, expected, _) in self.RULES.items():
            for np in WORLDS:
                with self.subTest(rule=rule, np=np):
                    record = self.steps(f"{rule}_{np}")[1]
                    self.assertAlmostEqual(record["kld_weight"] / expected, 1, delta=1e-14)
                    # The loss was computed with it, too.
                    self.assertAlmostEqual(record["reconstruction_loss"] + expected * record["kld"], record["loss"], delta=1e-6 * record["loss"])

    # Seen: fp64 2e-15; fp32 5e-8 with local batch norm. With sync, a rank sums over its whole part of the batch, so the order of summation depends on
    # the world size, and the last convolution's gradient is a small difference of large terms: 7e-7 in fp32 here, 1.3e-6 at twice the batch.
    def test_every_gradient_is_the_same_at_every_world_size(self):
        for rule, bound in {"reference": 1e-9, "fixed": 1e-6, "batch_over_dataset": 1e-9, "elbo": 5e-6}.items():
            for np in WORLDS[1:]:
                with self.subTest(rule=rule, np=np):
                    self.assertLess(gradient_difference(self.checkpoint(f"{rule}_{np}"), self.checkpoint(f"{rule}_1")), bound)


if __name__ == "__main__":
    unittest.main()
