"""The Python package as users install it, and runs of the real program to compare it with. Shared by the tests of the package."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch

import runs

ROWS = 48
TRAINED = ["train.steps=6", "train.optimizer.learning_rate=0.01", "evaluate.every_epochs=1", "evaluate.every_steps=6"]
NATS = ["objective.reduction=sum"]
TOLD = "[{name: numbers, dataset: truth/energy, transform: log}, {name: classes, dataset: kind}]"

torch.set_num_threads(1)  # for models so small, threads take more time than they save


FOLDER = tempfile.TemporaryDirectory(prefix="vae_dist_package_")  # goes when the process ends
SITE = f"{FOLDER.name}/site"


def installed():
    """Installs the package from the checkout by pip, without a network, into SITE. Returns the package."""
    source = pathlib.Path(FOLDER.name) / "source"  # a copy: building leaves nothing in the checkout
    shutil.copytree(runs.SOURCE / "launcher" / "python", source, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index",
                           "--target", SITE, str(source)], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"pip ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    sys.path.insert(0, SITE)
    import vae_dist
    return vae_dist


vae_dist = installed()
from vae_dist.kept_config import parse_kept_config  # noqa: E402


class Package(runs.RunFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        random = np.random.default_rng(7)
        position = np.arange(16) / 3
        cls.energy, cls.kind = np.exp(random.uniform(0, 2, ROWS)), random.integers(0, 3, ROWS)
        shapes = np.sin(position[None, :, None] * cls.energy[:, None, None] / 3) * np.cos(position)[None, None, :] + 0.1 * random.standard_normal((ROWS, 16, 16))
        with h5py.File(cls.folder / "arrays.h5", "w") as file:
            file["bytes"] = np.clip(127 * (1 + shapes), 0, 255).astype("u1")
            file["colour"] = np.clip(127 * (1 + np.stack([shapes, shapes[:, ::-1], -shapes], -1)), 0, 255)[:, :12, :14].astype("u1")
            file["field"], file["mass"] = (3 * shapes).astype("<f4"), np.exp(shapes).astype("<f4")
            file["field"].attrs["units"] = "K"
            file["volume"] = (shapes[:, :6, :5, None] * np.linspace(1, 2, 7)).astype("<f4") + 2
            file["series"] = np.exp(shapes.reshape(ROWS, 64, 4)).astype("<f4")
            file["vector"] = np.stack([shapes[:, 0, 0], np.exp(shapes[:, 1, 1]), np.exp(shapes[:, 2, 2]), np.square(shapes[:, 3, 3]), 1e3 * shapes[:, 4, 4]], 1).astype("<f4")
            file["counts"] = random.poisson(np.exp(1 + shapes[:, :8, :8])).astype("<f4")
            gaps = (3 * shapes).astype("<f4")
            gaps[random.random(gaps.shape) < 0.2] = np.nan
            file["gaps"] = gaps
            file["truth/energy"], file["kind"] = cls.energy[:, None], cls.kind.astype("<i8")
            file["kind"].attrs["names"] = ["up", "down", "strange"]

    def source(self, dataset, layout, **more):
        return "data.train={" + ", ".join(f"{key}: {value}" for key, value in {"file": "arrays.h5", "dataset": dataset, "layout": layout, **more}.items()) + "}"

    def trained(self, name, *overrides):
        self.train(name, *TRAINED, *overrides)
        given = vae_dist.read_checkpoint(self.run_path(name))
        # Older checkpoints have no config.json, and their config.yaml says the same.
        self.assertEqual(parse_kept_config((given.path / "config.yaml").read_text()), given.config)
        return vae_dist.TrainedModel(given)

    def verb(self, verb, name, *arguments):
        """Everything in the file that a verb writes: by its path, as tensors."""
        self.program(verb, "--checkpoint", f"runs/{name}", *arguments, "--out", f"{verb}.h5", "--overwrite", check=True)
        found = {}
        with h5py.File(self.folder / f"{verb}.h5") as file:
            file.visititems(lambda path, item: found.__setitem__(path, torch.from_numpy(item[...])) if isinstance(item, h5py.Dataset) else None)
        return found

    @staticmethod
    def samples(found, prefix):
        """The samples under a name, as the package takes and returns them."""
        return found[prefix] if prefix in found else {path.removeprefix(prefix + "/"): values for path, values in found.items() if path.startswith(prefix + "/")}

    def assert_close(self, ours, theirs, what, relative=1e-5):
        if isinstance(ours, dict):
            self.assertEqual(ours.keys(), theirs.keys())
            for name, values in ours.items():
                self.assert_close(values, theirs[name], f"{what} {name}", relative)
            return
        self.assertEqual(ours.shape, theirs.shape, what)
        scale = theirs[theirs.isfinite()].abs().max().item()
        self.assertGreater(scale, 0, what)
        np.testing.assert_allclose(ours.double(), theirs.double(), rtol=relative, atol=relative * scale, err_msg=what)

    def told(self, conditional):
        """The conditions of all rows, as the file stores them."""
        return {"truth/energy": self.energy, "kind": self.kind} if conditional else None
