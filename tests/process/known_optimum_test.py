"""A linear VAE with a learned sigma has a known optimum: probabilistic PCA, whose exact likelihood its bound reaches (Lucas et al. 2019, "Don't Blame the ELBO!", section 4)."""
import json
import unittest

import h5py
import numpy as np

import runs

POINTS, LATENT, TRAINING, HELD_OUT = 32, 6, 4096, 1024


def gaussian_fields(random, count):
    """Periodic Gaussian random fields of one dimension, whose power falls as the fourth power of the wave number, and white noise."""
    waves = np.fft.rfftfreq(POINTS, 1 / POINTS)
    amplitude = np.where(waves > 0, 1 / np.maximum(waves, 1) ** 2, 0)
    modes = (random.standard_normal((count, len(waves))) + 1j * random.standard_normal((count, len(waves)))) * amplitude
    return 40 * np.fft.irfft(modes, POINTS) + 0.3 * random.standard_normal((count, POINTS)) + 7


def likelihood_of_ppca(training, held_out):
    """The mean log likelihood under the maximum-likelihood probabilistic PCA (Tipping, Bishop 1999, eqs. 7 and 8)."""
    mean, covariance = training.mean(0), np.cov(training.T, bias=True)
    values, directions = np.linalg.eigh(covariance)
    values, directions = values[::-1], directions[:, ::-1]
    noise = values[LATENT:].mean()
    fitted = noise * np.eye(POINTS) + directions[:, :LATENT] @ np.diag(values[:LATENT] - noise) @ directions[:, :LATENT].T
    away = held_out - mean
    return (-0.5 * (POINTS * np.log(2 * np.pi) + np.linalg.slogdet(fitted)[1] + np.einsum("ni,ij,nj->n", away, np.linalg.inv(fitted), away))).mean()


class KnownOptimum(runs.RunFolder):
    def test_the_bound_is_the_exact_likelihood_of_probabilistic_pca(self):
        fields = gaussian_fields(np.random.default_rng(9), TRAINING + HELD_OUT).astype("<f4")
        with h5py.File(self.folder / "fields.h5", "w") as file:
            file["x"] = fields
        exact = likelihood_of_ppca(fields[:TRAINING].astype(np.float64), fields[TRAINING:].astype(np.float64))
        for np_ranks in (1, 4):
            with self.subTest(np=np_ranks):
                name = f"linear{np_ranks}"
                self.train(name, f"data.train={{file: fields.h5, dataset: x, layout: NW, rows: [0, {TRAINING}]}}", f"data.validation={{file: fields.h5, dataset: x, layout: NW, rows: [{TRAINING}, {TRAINING + HELD_OUT}]}}",
                           "data.normalize=standardize", "model.name=mlp_vae", "model.hidden_dims=[]", f"model.latent_dim={LATENT}", "objective.reduction=sum", "objective.variance=learned", "train.global_batch=128",
                           "train.epochs=90", "train.optimizer.learning_rate=0.01", "train.schedule.name=cosine", "distributed.replicas=4", "log.every_steps=200", np=np_ranks)
                self.program("evaluate", "--checkpoint", f"runs/{name}", "--json", f"{name}.json", "--overwrite", check=True)
                bound = json.loads((self.folder / f"{name}.json").read_text())["elbo_nats"]
                self.assertLessEqual(bound, exact + 0.01 * abs(exact))
                self.assertGreaterEqual(bound, exact - 0.01 * abs(exact), f"the bound is {bound:.3f} nats, the exact likelihood {exact:.3f}")


if __name__ == "__main__":
    unittest.main()
