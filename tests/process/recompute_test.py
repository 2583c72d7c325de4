"""train.recompute: blocks gives the same bits with any number of ranks, may change when a run resumes, and is refused where a network has no blocks."""
import unittest

from runs import RunFolder

RESIDUAL = ["model.name=resnet_vae", "model.blocks=1", "model.attention_at=[8]", "data.horizontal_flip=true", "train.ema_decay=0.9", "train.gradient_clip_norm=1",
            "distributed.replicas=4", "distributed.reproducible=true"]


class Recompute(RunFolder):
    IMAGES = ["--count", "64", "--size", "16", "--channels", "3"]

    def weights(self, name):
        return [(self.checkpoint(name) / file).read_bytes() for file in ("weights.safetensors", "optimizer.safetensors")]

    def test_the_bits_are_the_same_with_any_number_of_ranks_and_it_may_change_on_resume(self):
        for precision in ("fp32", "bf16"):
            with self.subTest(precision):
                common = [*RESIDUAL, f"train.precision={precision}"]
                self.train(f"kept_{precision}", *common, "train.steps=6", np=2)
                self.train(f"again_{precision}", *common, "train.steps=3", np=1)
                self.train(f"again_{precision}", *common, "train.steps=5", "train.recompute=blocks", np=2)
                done = self.train(f"again_{precision}", *common, "train.steps=6", "train.recompute=blocks", np=4)
                self.assertIn("computed again in backward", done.stderr + done.stdout)
                self.assertEqual(self.weights(f"again_{precision}"), self.weights(f"kept_{precision}"))
                self.assertEqual(self.losses(f"again_{precision}"), self.losses(f"kept_{precision}"))

    def test_a_network_without_blocks_is_refused_with_the_names_of_those_that_have_them(self):
        done = self.train("refused", "train.steps=2", "train.recompute=blocks", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("train.recompute has no effect: it applies only when model.name is resnet_vae", done.stderr)


if __name__ == "__main__":
    unittest.main()
