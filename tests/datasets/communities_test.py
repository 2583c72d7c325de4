"""The lines of datasets/README.md read the files that they are for: such files are written with h5py, and what is read by each row's lines is what numpy makes of them."""
import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np

from deadline import HANGS_S
from runs import BINARY, SOURCE

READER = os.environ["VAE_DIST_DECODED_IMAGES"]


def rows():
    """What a row is called -> its lines."""
    table = (SOURCE / "datasets/README.md").read_text().partition("## Your file, in three lines")[2].partition("\n## ")[0]
    return {row[1]: re.findall(r"`([^`]+)`", row[2]) for row in re.finditer(r"^\| ([^|]+) \| [^|]+ \| (`.*`) \|$", table, re.MULTILINE)}


def given(line, key):
    """The value of a key in a line such as `train: {file: x.h5, dataset: [a, b]}`."""
    found = re.search(rf"\b{key}: (\[[^\]]*\]|[^,}}]+)", line)
    return found[1] if found else None


def as_list(value):
    return re.split(r", *", value.strip("[]")) if value else []


class Communities(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.random = np.random.default_rng(3)

    def normal(self, *shape):
        return (5 * self.random.standard_normal(shape)).astype(np.float32)

    def write(self, name, **datasets):
        """Writes datasets (`group__name` is group/name) and returns the file."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        with h5py.File(path, "w") as f:
            for key, values in datasets.items():
                f.create_dataset(key.replace("__", "/"), data=values, **({"chunks": (1, *values.shape[1:]), "compression": "gzip"} if values.ndim > 2 else {}))
        return path

    def the_well(self, *space):
        channels = []
        for number in range(2):
            density, pressure, velocity = self.normal(2, 3, *space), self.normal(2, 3, *space), self.normal(2, 3, *space, len(space))
            self.write(f"well/part_{number}.hdf5", t0_fields__density=density, t0_fields__pressure=pressure, t1_fields__velocity=velocity)
            channels.append([each.reshape(6, *space) for each in (density, *([pressure] if len(space) == 2 else []), *np.moveaxis(velocity, -1, 0))])
        return np.concatenate([np.stack(each, 1) for each in channels])

    def flowgen(self):
        names = ["p", "rho", "t", "u", "v", "w"]
        snapshots = self.normal(3, 6, 6, 7, 8)
        for i, fields in enumerate(snapshots):
            self.write(f"snapshots/snapshot_{i}.h5", **{f"primes__{name}": field for name, field in zip(names, fields)})
        return snapshots

    def sparse_cells(self):
        counts = self.random.poisson(0.4, (40, 23)).astype(np.float32)
        path = self.write("cells.h5ad", X__data=counts[counts != 0], X__indices=np.concatenate([np.flatnonzero(row) for row in counts]).astype(np.int32),
                          X__indptr=np.concatenate([[0], np.cumsum((counts != 0).sum(1))]).astype(np.int32))
        with h5py.File(path, "r+") as f:
            f["X"].attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": counts.shape})
        return np.log1p(counts.astype(np.float64))

    def dense_cells(self):
        cells = self.normal(40, 23)
        self.write("cells.h5ad", X=cells)
        return cells

    def calochallenge(self):
        done = subprocess.run([BINARY, "data", "make-showers", self.folder / "dataset_1_photons_1.hdf5", "--count", "50"], capture_output=True, text=True, timeout=HANGS_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        with h5py.File(self.folder / "dataset_1_photons_1.hdf5") as f:
            return np.log1p(f["showers"][:].astype(np.float64))

    def contact_maps(self):
        maps = self.random.integers(0, 2, (20, 12, 12)).astype(np.uint8)
        self.write("md/run_0.h5", contact_maps=maps)
        return maps[:, None]

    def matlab(self):
        images = self.random.integers(0, 256, (9, 5, 7)).astype(np.uint8)  # N x H x W in MATLAB
        with h5py.File(self.folder / "images.mat", "w", userblock_size=512) as f:
            f["images"] = images.transpose()
            f["images"].attrs["MATLAB_class"] = np.bytes_("uint8")
        with open(self.folder / "images.mat", "r+b") as f:  # MATLAB's own header stands before HDF5's
            f.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
        return images[:, None] / 255

    def pictures(self, *files, name, size, **others):
        for file in files:
            images = self.random.integers(0, 256, (6, size, size, 3)).astype(np.uint8)
            self.write(file, **{name: images}, **others)
        return images.transpose(0, 3, 1, 2) / 255

    def pcam(self):
        return self.pictures("camelyonpatch_level_2_split_valid_x.h5", "camelyonpatch_level_2_split_train_x.h5", name="x", size=96)

    def galaxy10(self):
        images = self.pictures("Galaxy10_DECals.h5", name="images", size=256, ans=np.arange(6))
        return images.reshape(6, 3, 64, 4, 64, 4).mean((3, 5))

    def usps(self):
        train = self.random.random((30, 256)).astype(np.float32)
        self.write("usps.h5", train__data=train, train__target=np.arange(30), test__data=train[:7], test__target=np.arange(7))
        return train

    def ct(self):
        volumes = self.random.integers(-1024, 3000, (3, 1, 10, 17, 16)).astype(np.int16)
        for i, volume in enumerate(volumes):
            self.write(f"ct/patient_{i}.h5", volume=volume[0])
        return volumes

    MAKERS = {"The Well": lambda self: self.the_well(8, 9), "The Well in 3-D": lambda self: self.the_well(5, 6, 7), "flowgen": flowgen, "CaloChallenge": calochallenge,
              "AnnData, dense": dense_cells, "AnnData, sparse": sparse_cells, "DeepDriveMD": contact_maps, "MATLAB v7.3": matlab, "PCam": pcam, "USPS": usps,
              "Galaxy10": galaxy10, "CT series": ct}

    def read(self, lines):
        """What the model sees of the training file by these lines, without crops and flips."""
        train = lines[0]
        other = {line.partition(": ")[0]: line.partition(": ")[2] for line in lines[1:]}
        files = sorted(self.folder.glob(given(train, "file")))
        options = [option for name in as_list(given(train, "dataset")) for option in ("--dataset", name)]
        options += ["--layout", given(train, "layout")] if given(train, "layout") else []
        options += ["--transform", other["transform"]] if "transform" in other else []
        options += ["--resize", other["resize"]] if "resize" in other else []
        options += ["--plain", {"standardize": "deviation"}[other["normalize"]]] if "normalize" in other else []
        out = self.folder / "out.bin"
        done = subprocess.run([READER, *options, out, *files], capture_output=True, text=True, timeout=HANGS_S)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        if "normalize" in other:
            return np.fromfile(out, np.float64)
        # Pictures are written as they are stored, [rows, height, width, channels] for example.
        said = json.loads(done.stdout)
        letters = said["layout"].replace("N", "")
        if "V" in letters:
            return np.fromfile(out, said["type"]) * said["scale"]
        sizes = dict(zip("CHW", said["shape"]))
        stored = np.fromfile(out, said["type"]).reshape(said["images"], *(sizes[letter] for letter in letters))
        return said["scale"] * stored.transpose(0, *(1 + letters.index(letter) for letter in "CHW" if letter in letters)).ravel()

    def test_each_row_reads_its_file(self):
        table = rows()
        self.assertEqual(set(table), set(self.MAKERS))
        for name, lines in table.items():
            with self.subTest(name):
                self.assertLessEqual(len(lines), 3)
                values = self.MAKERS[name](self).astype(np.float64)
                if "normalize: standardize" in lines:
                    over = tuple(axis for axis in range(values.ndim) if axis != 1)
                    deviation = values.std(over, keepdims=True)
                    values = (values - values.mean(over, keepdims=True)) / np.where(deviation > 0, deviation, 1)
                got = self.read(lines)
                self.assertEqual(got.size, values.size)
                # Pictures are resized in bytes: to half a grey level.
                np.testing.assert_allclose(got, values.ravel(), rtol=1e-6, atol=0.51 / 255 if "resize: 64" in lines else 1e-6)
                # The lines are a configuration that the program accepts.
                config = self.folder / "run.yaml"
                config.write_text("run: {name: community}\nmodel: {name: mlp_vae}\ndata:\n" + "".join(f"  {line}\n" for line in lines))
                done = subprocess.run([BINARY, "config", "--config", config], capture_output=True, text=True, timeout=HANGS_S)
                self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
