"""A damaged checkpoint is rejected with the reason, and resume falls back to the previous one. A checkpoint that does not belong to the run
ends the start. (tests/checkpoint flips a bit in every byte of every file.)"""
import json
import shutil
import unittest

from comparing import seal
from launched import Launched, drawn, record, times

SETTINGS = ["checkpoint.every_steps=5", "checkpoint.keep=4", "distributed.replicas=2"]


class BadCheckpoint(Launched):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.train("sound", *SETTINGS, "train.steps=10")

    def damaged(self, name, damage):
        """Copies the run to its own directory, damages the newest checkpoint, and returns the result of the next start."""
        copy = self.folder / name
        shutil.copytree(self.run_path("sound"), copy / "sound")
        damage(copy / "sound" / "checkpoints" / "step_00000010")
        return self.train("sound", *SETTINGS, f"run.directory={name}", "train.steps=11", np=2, check=False)

    def check_falls_back(self, name, damage, reason):
        done = self.damaged(name, damage)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, reason + ".*; falling back to the previous checkpoint")
        self.assertIn("from 5 to 11", done.stderr)
        return done.seconds

    def test_a_flipped_bit_a_missing_end_and_a_missing_file(self):
        random = drawn("damage")
        seconds = []

        def flip(folder):
            file = folder / random.choice(["weights.safetensors", "optimizer.safetensors", "state.json", "config.yaml", "manifest.json"])
            content = bytearray(file.read_bytes())
            content[random.randrange(len(content))] ^= 1 << random.randrange(8)
            file.write_bytes(content)

        def cut(folder):
            file = folder / random.choice(["weights.safetensors", "optimizer.safetensors", "state.json"])
            file.write_bytes(file.read_bytes()[:random.randrange(file.stat().st_size)])

        def lose(folder):
            (folder / random.choice(["weights.safetensors", "optimizer.safetensors", "state.json", "config.yaml", "manifest.json"])).unlink()

        reasons = {flip: r"step_00000010/[\w.]+\W+(is damaged: its hash differs from the one in the manifest|its hash is wrong|.*JSON)", cut: r"\W+is damaged: it holds \d+ bytes, but the manifest says \d+",
                   lose: r"(cannot read .*step_00000010|step_00000010\W+is not a complete checkpoint: it has no \W*manifest.json)"}
        for damage, reason in reasons.items():
            for number in range(times(1, 10)):
                seconds.append(self.check_falls_back(f"{damage.__name__}_{number}", damage, reason))
        record("damaged checkpoint (flipped bit, cut short, a file missing)", len(seconds), "refused with the reason; training went on from the one before", 5, seconds)

    def test_a_newer_version_is_refused_as_such(self):
        def become_newer(folder):
            manifest = json.loads((folder / "manifest.json").read_text())
            manifest["format"] = 2
            # With a valid hash, as a newer program would write it.
            seal(manifest, folder / "manifest.json")
        self.check_falls_back("newer", become_newer, "the checkpoint has format 2, but this vae_dist reads format 1: use a newer vae_dist")

    def test_another_models_shapes_end_the_start(self):
        self.train("wider", *SETTINGS, "train.steps=15", "model.hidden_dims=[8, 24]")

        def replace(folder):
            shutil.copytree(self.checkpoint("wider", 15), folder.parent / "step_00000015")
        done = self.damaged("shapes", replace)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("model.hidden_dims: [8, 24] in the run, [8, 16] now", done.stderr)

    def test_when_none_is_sound_the_run_does_not_begin_anew(self):
        def damage_all(folder):
            for file in folder.parent.glob("step_*/weights.safetensors"):
                file.write_bytes(b"")
        done = self.damaged("none", damage_all)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, "none of the 2 checkpoint.s. in .* can be read")


if __name__ == "__main__":
    unittest.main()
