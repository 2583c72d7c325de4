"""Runs whose terms look at the whole batch: the same bits at 1, 2, 4 and 8 ranks, through stops in mid-epoch and through the death of a rank."""
import os
import signal
import unittest

from comparing import without_key
from deadline import HANGS_S
from ranks import is_alive
from runs import QUICK, SMALL, SOURCE, RunFolder

STEPS = 24
TIMES = ("step_seconds", "samples_per_second", "data_wait_seconds", "allreduce_wait_seconds")

OBJECTIVES = {
    "tc": ["objective.reduction=sum", "objective.regularisers=[{name: tc, weight: 3, index_code: 0.5, schedule: linear, steps: 10}]"],
    "mmd": ["model.name=autoencoder", "objective.regularisers=[{name: mmd, weight: 1}]"],
    "dip": ["objective.reduction=sum", "objective.variance=optimal", "objective.free_bits=0.1", "objective.regularisers=[{name: dip, weight: 5}]"],
}
ALL = ["objective.reduction=sum", "objective.variance=optimal", "objective.free_bits=0.1",
       "objective.regularisers=[{name: mmd, weight: 5}, {name: dip}, {name: tc, schedule: linear, steps: 10}, {name: factor, weight: 4, width: 30, learning_rate: 0.01}]"]
# A spatial latent and codes that are given up soon.
CODES = ["model.name=resnet_vae", "model.latent=spatial", "model.latent_dim=6", "model.blocks=1", "model.attention_at=[]", "model.codes.kind=vector_quantized", "model.codes.size=20",
         "model.codes.groups=2", "model.codes.decay=0.8", "model.codes.restart_after=2", "objective.regularisers=[{name: mmd, weight: 0.1}]"]


class WholeBatchRuns(RunFolder):
    """R = 8, batches of 4 samples; an epoch has 6 steps."""

    REPLICAS = ["distributed.replicas=8", "train.global_batch=32", "distributed.reproducible=true"]

    @classmethod
    def reproduce(cls, name, objective, np, steps=STEPS):
        return cls.train(name, *cls.REPLICAS, *objective, f"train.steps={steps}", np=np)

    def assert_same_bits(self, name, reference):
        """Weights and optimizer at the end, and the log of every step."""
        for file in ("weights.safetensors", "optimizer.safetensors"):
            self.assertEqual((self.checkpoint(name) / file).read_bytes(), (self.checkpoint(reference) / file).read_bytes(), file)
        mine, expected = ([{key: value for key, value in record.items() if key not in TIMES} for record in self.log(run) if "loss" in record] for run in (name, reference))
        self.assertEqual(mine, expected)

    def test_each_objective_has_the_same_bits_at_every_number_of_ranks(self):
        for name, objective in OBJECTIVES.items():
            with self.subTest(name):
                self.reproduce(f"{name}_1", objective, np=1)
                self.reproduce(f"{name}_4", objective, np=4)
                self.assert_same_bits(f"{name}_4", f"{name}_1")
                self.assertNotEqual(self.losses(f"{name}_1")[0], self.losses(f"{name}_1")[-1])

    def test_all_at_once_moved_in_mid_epoch_from_two_ranks_to_eight_to_one(self):
        self.reproduce("all", ALL, np=4)
        for np, steps in ((2, 7), (8, 9), (1, STEPS)):
            self.reproduce("moved", ALL, np=np, steps=steps)
        self.assert_same_bits("moved", "all")
        terms = self.steps("all")[STEPS]
        for term in ("mmd", "dip", "dip_diagonal", "tc", "tc_index_code", "tc_dimension_wise", "squared_error", "factor", "factor_critic"):
            self.assertIn(term, terms)

    def test_a_codebook_moved_in_mid_epoch_from_two_ranks_to_eight_to_one(self):
        self.reproduce("codes", CODES, np=4)
        for np, steps in ((2, 7), (8, 9), (1, STEPS)):
            self.reproduce("moved_codes", CODES, np=np, steps=steps)
        self.assert_same_bits("moved_codes", "codes")
        used = [record["codes_used"] for record in self.log("codes") if "loss" in record]
        self.assertGreater(min(used[1:]), 2)
        self.assertGreater(max(used), used[0])

    def test_it_can_fail_each_replica_for_itself_is_another_objective(self):
        for scope in ("global", "replica"):
            self.reproduce(scope, [*OBJECTIVES["tc"], f"objective.scope={scope}"], np=2, steps=2)
        self.assertNotEqual(self.losses("global"), self.losses("replica"))

    def test_a_killed_rank_and_a_restart_change_no_bit(self):
        for name, objective in (("all", ALL), ("codes", CODES)):
            with self.subTest(name):
                self.kill_and_restart(f"killed_{name}", f"undisturbed_{name}", objective)

    def kill_and_restart(self, killed, undisturbed, objective):
        settings = [*SMALL, *self.REPLICAS, *objective, "checkpoint.every_steps=5"]
        process = self.start("train", "--config", "run.yaml", f"run.name={killed}", *settings, "train.steps=100000", np=4)
        try:
            # Beyond a checkpoint, so that steps are repeated.
            goal = self.run_path(killed) / "checkpoints/step_00000010/manifest.json"
            self.wait_until(lambda: process.poll() is not None or goal.exists(), HANGS_S, "step 10")
            ranks = process.ranks()
            self.assertEqual(len(ranks), 4, "it ended by itself")
            os.kill(ranks[2], signal.SIGKILL)
            process.communicate(timeout=HANGS_S)
            self.assertNotEqual(process.returncode, 0)
            self.wait_until(lambda: not any(is_alive(pid) for pid in ranks.values()), HANGS_S, "the end of all ranks")
        finally:
            process.kill()
            process.communicate()
        last = max(self.steps(killed)) + 3
        self.reproduce(killed, [*objective, "checkpoint.every_steps=5"], np=2, steps=last)
        self.reproduce(undisturbed, objective, np=1, steps=last)
        self.assertEqual([record["step"] for record in self.log(killed) if "loss" in record], list(range(1, last + 1)))
        self.assert_same_bits(killed, undisturbed)

    def test_a_run_begun_before_the_scope_was_a_key_goes_on_within_replicas(self):
        self.reproduce("old", [*OBJECTIVES["dip"], "objective.scope=replica"], np=2, steps=4)
        without_key(self.checkpoint("old"), "scope")
        self.reproduce("old", OBJECTIVES["dip"], np=4, steps=8)
        self.reproduce("within", [*OBJECTIVES["dip"], "objective.scope=replica"], np=1, steps=8)
        self.assert_same_bits("old", "within")

    def test_the_configurations_that_ship_train(self):
        for name, file, channels in (("beta_tcvae", "shapes_grey", 1), ("factor_vae", "shapes_grey", 1), ("dip_vae", "shapes_grey", 1), ("wae", "shapes", 3), ("vq_vae", "shapes", 3)):
            with self.subTest(name):
                if not (self.folder / f"data/{file}.h5").exists():
                    self.program("data", "make-shapes", f"data/{file}.h5", "--count", 704, "--size", 16, "--channels", channels, check=True)
                quick = [*QUICK, "train.steps=8", "log.every_steps=1", "train.schedule.warmup_steps=0", "pictures.every_epochs=0", "distributed.device=cpu", "distributed.threads_per_rank=1"]
                self.program("--config", SOURCE / f"configs/{name}.yaml", *quick, np=2, check=True)
                self.assertLess(self.losses(name)[-1], self.losses(name)[0])


if __name__ == "__main__":
    unittest.main()
