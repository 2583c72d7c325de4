"""Real input: MNIST from its original files, trained by two ranks with the shipped configuration."""
import re
import struct
import unittest

from runs import SOURCE, RunFolder

FILES = SOURCE / ".." / "shared" / "data" / "mnist"
MEAN_IMAGE_MSE = 0.0672  # on [0, 1]: the error of a model that always returns the mean image
STEPS = 300


@unittest.skipUnless(FILES.is_dir(), f"MNIST's files were not found: {FILES}")
class Mnist(RunFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.folder / "data").mkdir()
        for part, name in (("train", "train"), ("t10k", "test")):
            cls.program("data", "import-idx", FILES / f"{part}-images-idx3-ubyte.gz", FILES / f"{part}-labels-idx1-ubyte.gz",
                        f"data/mnist_{name}.h5", check=True)
        cls.done = cls.program("train", "--config", SOURCE / "configs" / "mnist.yaml", f"train.steps={STEPS}", "evaluate.every_epochs=0",
                               "pictures.every_epochs=1", "metrics.port=null", "distributed.device=cpu", "distributed.threads_per_rank=1", np=2,
                               check=True)

    def evaluation(self):
        (record,) = [record for record in self.log("mnist") if "evaluated" in record]
        return record

    def test_it_reconstructs_twice_as_well_as_the_mean_image(self):
        record = self.evaluation()
        self.assertEqual((record["step"], record["evaluated"], record["samples"]), (STEPS, "validation", 10000))
        self.assertAlmostEqual(record["mean_image_mse"], MEAN_IMAGE_MSE, delta=0.001)
        # Seen: 0.0115.
        self.assertLess(record["evaluation_mse"], 0.5 * MEAN_IMAGE_MSE)

    def test_the_latent_code_is_used(self):
        # A collapsed model's loss is low, too, but its KL is 0. Seen: 25.
        self.assertGreater(self.evaluation()["evaluation_kld"], 2)
        self.assertNotIn("collapse", self.done.stderr)

    def test_the_reconstruction_grid_is_written(self):
        for kind in ("reconstructions", "samples"):
            content = (self.run_path("mnist") / "pictures" / f"{kind}_{STEPS:08d}.png").read_bytes()
            self.assertEqual(content[:8], b"\x89PNG\r\n\x1a\n")
            self.assertEqual(content[-8:-4], b"IEND")
            width, height = struct.unpack(">II", content[16:24])
            self.assertGreater(min(width, height), 4 * 28)

    def test_the_start_table_tells_what_is_trained(self):
        for text in ("60000 images 1x28x28", "128: 64 per replica, 64 per rank", "468 steps per epoch"):
            self.assertIn(text, self.done.stderr)

    def test_the_test_images_can_be_reconstructed_by_the_checkpoint(self):
        done = self.program("reconstruct", "--checkpoint", "runs/mnist", "--data", "data/mnist_test.h5", "--rows", "0:16", "--out", "rows.png",
                            check=True)
        mse = float(re.search(r"MSE ([0-9.e-]+)", done.stdout)[1])
        self.assertLess(mse, 0.5 * MEAN_IMAGE_MSE)
        self.assertTrue((self.folder / "rows.png").read_bytes().startswith(b"\x89PNG"))


if __name__ == "__main__":
    unittest.main()
