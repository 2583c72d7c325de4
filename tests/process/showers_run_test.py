"""configs/showers.yaml as shipped: draws of p(x|z,y) have the response of showers at energies that training has not seen, and tell one energy from another."""
import re
import shlex
import unittest

import h5py
import numpy as np

import runs


class ShowersRun(runs.RunFolder):
    ENERGIES = (15000, 30000, 60000, 90000)  # MeV

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        text = (runs.SOURCE / "configs/showers.yaml").read_text()
        command = next(line for line in text.splitlines() if "make-showers" in line)
        (cls.folder / "data").mkdir()
        cls.program(*shlex.split(command.lstrip("# "))[1:], check=True)
        cls.program("--config", runs.SOURCE / "configs/showers.yaml", "metrics.port=null", "pictures.every_epochs=0", "distributed.threads_per_rank=1", check=True)
        with h5py.File(cls.folder / "data/showers.h5") as file:
            cls.share, cls.particle = float(file["showers"].attrs["share"]), float(file["showers"].attrs["particle_energy"])
            cls.known = file["incident_energies"][:, 0]
        cls.epochs = int(re.search(r"^  epochs: (\d+)", text, re.M)[1])
        cls.responses = {energy: cls.draw(energy) for energy in cls.ENERGIES}

    @classmethod
    def draw(cls, energy):
        """Sums of 10,000 draws."""
        cls.program("sample", "--checkpoint", "runs/showers", "--count", "10000", "--values", "sample", "--condition", f"incident_energies={energy}", "--out", "draws.h5", "--overwrite", check=True)
        with h5py.File(cls.folder / "draws.h5") as file:
            return file["samples"][...].astype("f8").sum(1)

    def truth(self, energy):
        """Mean and width of the response, datasets/synthetic/showers.hpp."""
        n = energy // self.particle
        return self.share * energy, energy * np.sqrt(2 * self.share * (1 - self.share) / (n + 1))

    def test_the_response_is_right_at_energies_not_seen(self):
        for energy in self.ENERGIES:
            with self.subTest(energy=energy):
                self.assertFalse((self.known == energy).any())
                mean, width = self.truth(energy)
                self.assertAlmostEqual(self.responses[energy].mean() / mean, 1, delta=0.02)
                self.assertAlmostEqual(self.responses[energy].std() / width, 1, delta=0.10)

    def test_swapped_conditions_show(self):
        for energy, other in zip(self.ENERGIES, self.ENERGIES[::-1]):
            mean, width = self.truth(other)
            self.assertGreater(abs(self.responses[energy].mean() - mean), 5 * width)

    def test_the_run_ends_with_the_stated_error(self):
        last = [record for record in self.log("showers") if "evaluation_mse" in record][-1]
        self.assertEqual(last["epoch"], self.epochs)
        self.assertLess(last["evaluation_mse"], 0.48)


if __name__ == "__main__":
    unittest.main()
