"""What ctest knows: each GoogleTest suite is an entry of its own, and every entry has a time limit."""
import json
import os
import pathlib
import re
import subprocess
import unittest

SOURCE = pathlib.Path(os.environ["VAE_DIST_SOURCE"])


class CtestEntries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shown = subprocess.run(["ctest", "--test-dir", os.environ["VAE_DIST_BUILD"], "--show-only=json-v1"], check=True, capture_output=True, text=True).stdout
        cls.entries = {entry["name"]: entry for entry in json.loads(shown)["tests"]}

    def test_every_entry_has_a_time_limit(self):
        for name, entry in self.entries.items():
            limits = [p["value"] for p in entry.get("properties", []) if p["name"] == "TIMEOUT"]
            self.assertEqual(len(limits), 1, name)
            self.assertGreater(limits[0], 0, name)

    def test_every_suite_is_an_entry(self):
        in_ctest = {name.split(".", 1)[1].split("/")[-1] for name in self.entries if "." in name}
        # Those of tests/gpu and of programs that mpirun starts have a main of their own, and run as a whole.
        whole = {"gpu", "extension"}
        in_sources = set()
        for file in SOURCE.glob("tests/*/**/*_test.cpp"):
            if file.relative_to(SOURCE).parts[1] not in whole:
                in_sources |= set(re.findall(r"^(?:TEST|TEST_F|TEST_P|TYPED_TEST)\((\w+),", file.read_text(), re.MULTILINE))
        self.assertGreater(len(in_sources), 200)
        self.assertEqual(sorted(name for name in in_sources if name not in in_ctest), [])


if __name__ == "__main__":
    unittest.main()
