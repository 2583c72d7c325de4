"""Names and paths that are not UTF-8: all output that others parse remains valid UTF-8 and still shows the name."""
import json
import os
import unittest

import h5py
import numpy

from png_files import png
from runs import RunFolder

# "café" in Latin-1.
NAME, SHOWN = os.fsdecode(b"caf\xe9"), r"caf\xe9"


class ForeignNames(RunFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.folder / NAME
        folder.mkdir()
        (cls.folder / "shapes.h5").rename(folder / "shapes.h5")
        cls.data, cls.run_folder = f"data.train.file={NAME}/shapes.h5", f"runs/{NAME}"
        cls.train(NAME, cls.data, "train.steps=6", "evaluate.every_epochs=1", "pictures.every_epochs=1", "pictures.samples=4")

    def parsed(self, name):
        """The parsed JSON of a UTF-8 file."""
        return json.loads((self.folder / name).read_bytes().decode())

    def test_what_a_run_writes(self):
        for line in (self.run_path(NAME) / "metrics.jsonl").read_bytes().decode().splitlines():
            json.loads(line)
        self.parsed(f"{self.run_folder}/environment.json")
        for file in ("manifest.json", "state.json"):
            self.parsed(self.checkpoint(NAME) / file)
        page = (self.run_path(NAME) / "report.html").read_bytes().decode()
        self.assertIn(SHOWN, page)
        self.assertNotIn("\N{REPLACEMENT CHARACTER}", page)

    def test_the_run_goes_on(self):
        self.train(NAME, self.data, "train.steps=9")
        self.assertEqual(max(self.steps(NAME)), 9)

    def test_every_verb_that_writes_json(self):
        data = ["--data", f"{NAME}/shapes.h5"]
        self.program("evaluate", "--checkpoint", self.run_folder, *data, "--json", "evaluate.json", check=True)
        self.assertIn(SHOWN, self.parsed("evaluate.json")["data"])
        self.assertIn(SHOWN, self.parsed("evaluate.json")["checkpoint"])
        self.program("compare", self.run_folder, self.run_folder, *data, "--json", "compare.json", "--out", "compare.png", check=True)
        self.assertIn(SHOWN, self.parsed("compare.json")[0]["checkpoint"])
        self.assertGreater((self.folder / "compare.png").stat().st_size, 0, "its labels name the run")
        self.program("bench", "--config", "run.yaml", self.data, f"run.name={NAME}", "model.hidden_dims=[8]", "--steps", "2", "--json", "bench.json", check=True)
        self.parsed("bench.json")

    def test_verbs_that_write_files_of_their_own(self):
        self.program("embed", "--checkpoint", self.run_folder, "--data", f"{NAME}/shapes.h5", "--out", f"{NAME}/codes.h5", check=True)
        with h5py.File(os.fsencode(self.folder / NAME / "codes.h5")) as file:
            self.assertEqual(len(file["mu"]), 200)
        self.program("weights", "export", "--checkpoint", self.run_folder, "--out", f"{NAME}/weights.safetensors", check=True)
        self.program("data", "convert", f"{NAME}/shapes.h5", f"{NAME}/converted.h5", check=True)
        self.program("data", "verify", f"{NAME}/converted.h5", check=True)
        # Folders become classes.
        (self.folder / "photos" / NAME).mkdir(parents=True)
        (self.folder / "photos" / NAME / "1.png").write_bytes(png(numpy.zeros((8, 8, 3), dtype=numpy.uint8)))
        self.program("data", "import-images", "photos", "photos.h5", check=True)
        with h5py.File(self.folder / "photos.h5") as file:
            self.assertEqual(list(file["labels"].attrs["names"]), [SHOWN])
        self.program("report", self.run_folder, self.run_folder, "--out", "both.html", check=True)
        self.assertIn(SHOWN, (self.folder / "both.html").read_bytes().decode())


if __name__ == "__main__":
    unittest.main()
