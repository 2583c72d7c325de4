"""The rooms of the house: who includes whom is what src/README.md says, each room has a namespace of its own, and none is too large to be read."""

import os
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(os.environ["VAE_DIST_SOURCE"])
# Another room of the same floor that a room may include beside those below it.
BESIDE = {"run": {"inference", "report"}, "inference": {"report"}, "objective": {"model", "kernels"}, "model": {"kernels", "normalisation"}, "normalisation": {"kernels"}, "optimizer": {"parallel"}, "conditions": {"data"}, "step": {"input"}}
# What the rooms that stand beside the floors may include; the floors from 8 on may include them.
BESIDE_THE_FLOORS = {"datasets": {"base", "hdf5", "arrays", "data", "plot"}, "synthetic": {"base", "hdf5", "datasets"}}
MOST_LINES = 4000


def rooms():
    """Name -> folder, as src/README.md's table lists them, and name -> floor, which those beside the floors lack."""
    folders, floors = {}, {}
    for line in (ROOT / "src/README.md").read_text().splitlines():
        row = re.match(r"\| (\d*) ?\| ((?:`[\w/]+/`(?:, )?)+) \|", line)
        for folder in re.findall(r"`([\w/]+)/`", row[2]) if row else []:
            name = folder.split("/")[-1]
            folders[name] = ROOT / folder
            floors[name] = int(row[1]) if row[1] else None
    return folders, floors


def sources(folder):
    """The sources of a room, without those of a room inside it."""
    inside = {each for each in rooms()[0].values() if folder in each.parents}
    return sorted(path for path in folder.rglob("*.?pp") if path.suffix in (".cpp", ".hpp") and not inside & set(path.parents))


class Rooms(unittest.TestCase):
    def setUp(self):
        self.folders, self.floors = rooms()

    def test_every_folder_of_the_sources_is_a_room(self):
        self.assertEqual({f"src/{p.name}" for p in (ROOT / "src").iterdir() if p.is_dir()} | {"launcher", "datasets", "datasets/synthetic"},
                         {str(folder.relative_to(ROOT)) for folder in self.folders.values()})

    def test_a_room_includes_only_rooms_below_it(self):
        for room, folder in self.folders.items():
            for path in sources(folder):
                for other in set(re.findall(r'^#include "(\w+)/', path.read_text(), re.M)) & set(self.folders) - {room}:
                    with self.subTest(file=str(path.relative_to(ROOT)), includes=other):
                        self.assertTrue(self.may_include(room, other), f"{room} may not include {other}")

    def may_include(self, room, other):
        if room in BESIDE_THE_FLOORS:
            return other in BESIDE_THE_FLOORS[room]
        if other in BESIDE_THE_FLOORS:
            return self.floors[room] >= 8
        if room in ("lesson", "bench") and other == "train":
            return False
        return self.floors[other] < self.floors[room] or other in BESIDE.get(room, set())

    def test_each_room_has_its_own_namespace(self):
        for room, folder in self.folders.items():
            for path in sources(folder):
                for namespace in re.findall(r"^namespace (vae_dist[\w:]*) \{\n(?!class|struct)", path.read_text(), re.M):
                    with self.subTest(file=str(path.relative_to(ROOT))):
                        self.assertIn(namespace, {f"vae_dist::{room}"} | ({"vae_dist::log"} if room == "base" else set()))

    def test_no_room_is_too_large_to_be_read(self):
        for room, folder in self.folders.items():
            lines = sum(len(path.read_text().splitlines()) for path in sources(folder))
            with self.subTest(room=room):
                self.assertGreater(lines, 0)
                self.assertLessEqual(lines, MOST_LINES)

    def test_the_pictures_of_them_are_current(self):
        done = subprocess.run([sys.executable, ROOT / ".readme/draw.py", "--check"], text=True, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
