"""Compares scores with versions written with scikit-learn and numpy, on the same arrays. Those versions draw their own random numbers with numpy's generator, so scores of votes agree up to the choice of votes; everything else agrees to rounding."""
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, mutual_info_score
from sklearn.neighbors import NearestNeighbors

from deadline import HANGS_S

PROGRAM = os.environ["VAE_DIST_SCORES_OF_ARRAYS"]
NAMES, CLASSES = ["shape", "scale", "orientation", "x", "y"], [3, 6, 40, 32, 32]   # those of make-shapes in one channel
ROWS = 20000


def scores(seed=0, names=NAMES, **arrays):
    """Returns what the program prints for these arrays."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "arrays.h5")
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                dataset = file.create_dataset(name, data=values)
                if name == "classes":
                    dataset.attrs["names"] = names
        done = subprocess.run([PROGRAM, path, str(seed)], capture_output=True, text=True, timeout=HANGS_S)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


def drawn_factors(random, rows=ROWS):
    return np.stack([random.integers(0, count, rows) for count in CLASSES], 1)


def standard_factors(classes):
    return (classes - classes.mean(0)) / classes.std(0)


def latents_of(kind, classes, random):
    """Latents [N, 8] that a model might compute from the factors, from good to bad."""
    rows, factors = classes.shape
    idle = 0.05 * random.standard_normal((rows, 8 - factors))
    clean = standard_factors(classes)
    if kind == "disentangled":
        return np.concatenate([clean, idle], 1)
    if kind == "noisy":
        return np.concatenate([clean + 0.7 * random.standard_normal(clean.shape), idle], 1)
    if kind == "part rotated":
        rotation = np.eye(factors)
        angle = 0.5
        rotation[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        return np.concatenate([clean @ rotation + 0.3 * random.standard_normal(clean.shape), idle], 1)
    if kind == "mixed":
        rotation = np.linalg.qr(random.standard_normal((8, 8)))[0]
        return np.concatenate([clean, random.standard_normal((rows, 8 - factors))], 1) @ rotation
    return random.standard_normal((rows, 8))


KINDS = ["disentangled", "noisy", "part rotated", "mixed", "noise"]


def rows_by_class(classes):
    return [[np.flatnonzero(column == c) for c in range(column.max() + 1)] for column in classes.T]


def beta_vae_points(mu, classes, count, random):
    index, points, labels = rows_by_class(classes), [], []
    for _ in range(count):
        factor = random.integers(classes.shape[1])
        first = random.integers(0, len(mu), 64)
        second = np.array([random.choice(index[factor][classes[row, factor]]) for row in first])
        points.append(np.abs(mu[first] - mu[second]).mean(0))
        labels.append(factor)
    return np.array(points), np.array(labels)


def beta_vae_score(mu, classes, random):
    model = LogisticRegression(max_iter=1000).fit(*beta_vae_points(mu, classes, 3000, random))
    return model.score(*beta_vae_points(mu, classes, 2000, random))


def factor_vae_votes(mu, classes, count, random):
    index, variances = rows_by_class(classes), mu.var(0, ddof=1)
    votes = np.zeros((mu.shape[1], classes.shape[1]), np.int64)
    kept = np.flatnonzero(variances >= 0.05)
    for _ in range(count):
        factor = random.integers(classes.shape[1])
        rows = random.choice(index[factor][random.choice(classes[:, factor])], 64)
        votes[kept[np.argmin(mu[rows].var(0, ddof=1)[kept] / variances[kept])], factor] += 1
    return votes


def factor_vae_score(mu, classes, random):
    training, scored = factor_vae_votes(mu, classes, 10000, random), factor_vae_votes(mu, classes, 5000, random)
    return scored[np.arange(len(training)), training.argmax(1)].sum() / scored.sum()


def mutual_information(mu, classes):
    binned = [np.digitize(column, np.histogram(column, 20)[1][:-1]) for column in mu.T]
    return np.array([[mutual_info_score(c, b) for c in classes.T] for b in binned])


def gap(matrix):
    ordered = np.sort(matrix, axis=0)
    return ordered[-1] - ordered[-2]


def predictability(mu, classes, random):
    result = np.zeros((mu.shape[1], classes.shape[1]))
    order = random.permutation(len(mu))
    train, test = order[:10000], order[10000:15000]
    for d in range(mu.shape[1]):
        x = mu[:, d:d + 1]
        for f, name in enumerate(NAMES):
            if name == "shape":
                result[d, f] = accuracy_score(classes[test, f], LogisticRegression().fit(x[train], classes[train, f]).predict(x[test]))
            else:
                result[d, f] = LinearRegression().fit(x, classes[:, f]).score(x, classes[:, f])
    return result


class DisentanglementScores(unittest.TestCase):
    def test_agree_for_latents_from_good_to_bad(self):
        found = {}
        for kind in KINDS:
            random = np.random.default_rng(len(kind))
            classes = drawn_factors(random)
            mu = latents_of(kind, classes, random)
            ours = found[kind] = scores(mu=mu, classes=classes)

            information = mutual_information(mu, classes)
            entropies = np.array([mutual_info_score(c, c) for c in classes.T])
            np.testing.assert_allclose(ours["mutual_information"], information, rtol=0, atol=1e-9, err_msg=kind)
            np.testing.assert_allclose(ours["entropies"], entropies, rtol=1e-9, err_msg=kind)
            self.assertAlmostEqual(ours["mig"], (gap(information) / entropies).mean(), delta=1e-9, msg=kind)

            theirs = predictability(mu, classes, random)
            np.testing.assert_allclose(np.array(ours["predictability"])[:, 1:], theirs[:, 1:], rtol=0, atol=1e-9, err_msg=kind)
            # The same classifier on other rows: the standard deviation for 5,000 tries is 0.007, that of a difference 0.01.
            np.testing.assert_allclose(np.array(ours["predictability"])[:, 0], theirs[:, 0], rtol=0, atol=0.04, err_msg=kind)
            self.assertAlmostEqual(ours["sap"], gap(theirs).mean(), delta=0.012, msg=kind)

            self.assertAlmostEqual(ours["factor_vae"], factor_vae_score(mu, classes, random), delta=0.04, msg=kind)
            self.assertAlmostEqual(ours["beta_vae"], beta_vae_score(mu, classes, random), delta=0.06, msg=kind)
        # The scores of votes hardly distinguish the best latents from their rotation, because a factor still leaves its own mark on the variances.
        for name, lead in ("beta_vae", 0), ("factor_vae", 0), ("mig", 0.1), ("sap", 0.1):
            best, *_, mixed, noise = [found[kind][name] for kind in KINDS]
            self.assertGreater(best, mixed + lead, name)
            self.assertGreaterEqual(mixed, noise - 0.03, name)
        self.assertEqual(found["disentangled"]["beta_vae"], 1)
        self.assertEqual(found["disentangled"]["factor_vae"], 1)

    def test_points_of_votes_are_distributed_alike(self):
        random = np.random.default_rng(3)
        classes = drawn_factors(random)
        mu = latents_of("part rotated", classes, random)
        ours = scores(mu=mu, classes=classes)
        points, labels = np.array(ours["beta_vae_points"]), np.array(ours["beta_vae_labels"])
        theirs, their_labels = beta_vae_points(mu, classes, 2000, random)
        self.assertLess(np.abs(np.bincount(labels, minlength=5) / len(labels) - 0.2).max(), 0.04)
        for factor in range(5):
            a, b = points[labels == factor], theirs[their_labels == factor]
            error = np.sqrt(a.var(0) / len(a) + b.var(0) / len(b))
            self.assertLess((np.abs(a.mean(0) - b.mean(0)) / error).max(), 5, f"factor {factor}")
            self.assertLess(np.abs(a.std(0) / b.std(0) - 1).max(), 0.25, f"factor {factor}")

    def test_votes_follow_how_often_classes_occur(self):
        # Uses rare classes, class numbers with gaps, and a factor that does not vary.
        random = np.random.default_rng(4)
        rows = 5000
        kind = random.choice([2, 5, 11], rows, p=[0.05, 0.15, 0.8])
        size = random.integers(0, 8, rows)
        mu = np.stack([kind / 4.0, size / 3.0, random.standard_normal(rows)], 1)
        ours = scores(mu=mu, classes=np.stack([kind, np.full(rows, 3), size], 1), names=["shape", "colour", "scale"])
        self.assertEqual(np.shape(ours["mutual_information"]), (3, 2))
        self.assertEqual((ours["beta_vae"], ours["factor_vae"]), (1, 1))
        self.assertAlmostEqual(ours["entropies"][0], mutual_info_score(kind, kind), delta=1e-9)
        predicted = np.array(ours["predictability"])
        self.assertEqual(predicted[0, 0], 1)
        np.testing.assert_allclose(predicted[1:, 0], 0.8, atol=0.03)
        for d in range(3):
            self.assertAlmostEqual(predicted[d, 1], np.corrcoef(mu[:, d], size)[0, 1] ** 2, delta=1e-9)


class LinearClassifiers(unittest.TestCase):
    def test_have_the_weights_of_scikit_learn(self):
        random = np.random.default_rng(1)
        for rows, features, classes, spread in [(400, 3, 3, 1.0), (3000, 10, 5, 0.1), (2000, 1, 3, 1.0), (500, 2, 4, 20.0)]:
            with self.subTest(rows=rows, features=features, classes=classes, spread=spread):
                x = 1 + spread * random.standard_normal((rows + 500, features))
                labels = ((x - 1) @ random.standard_normal((features, classes)) / spread + random.gumbel(size=(rows + 500, classes))).argmax(1)
                ours = scores(features=x[:rows], labels=labels[:rows], other_features=x[rows:])
                model = LogisticRegression(C=1, tol=1e-10, max_iter=100000).fit(x[:rows], labels[:rows])
                np.testing.assert_allclose(ours["weight"], model.coef_, rtol=0, atol=2e-3 * np.abs(model.coef_).max())
                np.testing.assert_allclose(ours["bias"], model.intercept_ - model.intercept_.mean(), rtol=0, atol=2e-3 * np.abs(model.coef_).max() + 1e-3)
                self.assertGreaterEqual((np.array(ours["predictions"]) == model.predict(x[rows:])).mean(), 0.996)


class CoverageAndDensity(unittest.TestCase):
    def check(self, real, fake):
        ours = scores(real=real.astype(np.float32), fake=fake.astype(np.float32))
        real, fake = real.astype(np.float32).astype(np.float64), fake.astype(np.float32).astype(np.float64)
        radii = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(real).kneighbors()[0][:, -1]   # of a row of the fit: without itself
        np.testing.assert_allclose(ours["squared_radii"], radii ** 2, rtol=1e-9, atol=1e-9)
        squared = np.array(ours["squared_radii"])
        inside = np.array([((fake - row) ** 2).sum(1) < squared[i] for i, row in enumerate(real)])   # [N, M], without any matrix product
        self.assertEqual(ours["density"], inside.sum() / (5 * len(fake)))
        self.assertEqual(ours["coverage"], inside.any(1).mean())
        return ours

    def test_agree_with_brute_force(self):
        random = np.random.default_rng(1)
        real = random.random((700, 50))
        near = self.check(real, random.random((900, 50)))
        far = self.check(real, 0.8 * random.random((300, 50)) + 0.3)
        self.assertGreater(near["coverage"], 0.9)
        self.assertLess(far["coverage"], near["coverage"])

    def test_agree_for_more_rows_than_a_block(self):
        random = np.random.default_rng(2)
        self.check(random.standard_normal((4500, 3)), 0.5 * random.standard_normal((2100, 3)))

    def test_agree_for_binary_images_with_ties(self):
        random = np.random.default_rng(3)
        prototypes = random.random((10, 100)) < 0.5
        draw = lambda rows: (prototypes[random.integers(0, 10, rows)] ^ (random.random((rows, 100)) < 0.05)).astype(np.float32)
        self.check(draw(600), draw(500))


if __name__ == "__main__":
    unittest.main()
