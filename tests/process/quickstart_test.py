"""launcher/quickstart.sh, the README's first command, in a separate checkout: it trains, reports the results, and continues when called again."""
import os
import pathlib
import shutil
import subprocess
import unittest

import runs
from deadline import HANGS_S


class Quickstart(runs.RunFolder):
    IMAGES = ["--count", "8", "--size", "16", "--channels", "1"]

    def start(self, *overrides):
        environment = {**os.environ, "VAE_DIST_BUILD": str(pathlib.Path(runs.BINARY).parent), "VAE_DIST_DEVICE": "cpu"}
        return subprocess.run([self.folder / "launcher/quickstart.sh", *runs.QUICK, *overrides], cwd="/", env=environment, text=True, capture_output=True, timeout=HANGS_S)

    def test_it_trains_and_says_what_came_out(self):
        # The scripts work in the checkout that they lie in: this folder.
        (self.folder / "configs").symlink_to(runs.SOURCE / "configs")
        (self.folder / "launcher").mkdir()
        for file in (runs.SOURCE / "launcher").iterdir():
            if file.suffix == ".sh":
                shutil.copy(file, self.folder / "launcher")
            else:
                (self.folder / "launcher" / file.name).symlink_to(file)

        done = self.start("train.steps=20")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"reconstruction MSE +\d")
        self.assertIn("step_00000020", done.stdout)
        self.assertTrue((self.folder / "runs/quickstart/pictures").is_dir())

        again = self.start("train.steps=30")
        self.assertEqual(again.returncode, 0, again.stdout + again.stderr)
        self.assertIn("step_00000030", again.stdout)


if __name__ == "__main__":
    unittest.main()
