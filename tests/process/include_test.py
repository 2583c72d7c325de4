"""A configuration in several files (`include`), as users start it."""
import unittest

from runs import SMALL, RunFolder


class Included(RunFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.folder / "shared").mkdir()
        cls.write_config("shared/data.yaml", "run: {name: base, seed: 7}\ndata: {train: {file: shapes.h5, dataset: imgs}}\ntrain: {steps: 2}\n")
        cls.write_config("mine.yaml", "include: shared/data.yaml\nrun: {name: mine}\ntrain: {steps: 5}\n")

    def test_two_ranks_train_what_all_files_say_together(self):
        small = [*SMALL, "distributed.reproducible=true"]
        self.program("--config", "mine.yaml", *small, "train.steps=4", np=2, check=True)
        self.assertEqual(len(self.losses("mine")), 4, "the command line takes precedence")
        kept = (self.run_path("mine") / "config.yaml").read_text()
        self.assertNotIn("include", kept)
        self.assertRegex(kept, r"seed: 7\b")
        # The same in one file is the same training.
        self.write_config("one.yaml", "run: {name: one, seed: 7}\ndata: {train: {file: shapes.h5, dataset: imgs}}\ntrain: {steps: 4}\n")
        self.program("--config", "one.yaml", *small, np=2, check=True)
        self.assertEqual(self.losses("mine"), self.losses("one"))
        # A file around it continues the run.
        self.write_config("more.yaml", "include: mine.yaml\ntrain: {steps: 6}\n")
        self.program("--config", "more.yaml", *small, np=2, check=True)
        self.assertEqual(sorted(self.steps("mine")), [1, 2, 3, 4, 5, 6])

    def test_a_wrong_key_is_refused_once_with_the_file_that_has_it(self):
        self.write_config("shared/wrong.yaml", "include: data.yaml\ntrain:\n  global_bach: 3\n")
        self.write_config("wrong.yaml", "train: {steps: 3}\ninclude: [shared/wrong.yaml]\n")
        done = self.program("--config", "wrong.yaml", *SMALL, np=2)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr.count("shared/wrong.yaml:3: unknown key 'train.global_bach'; did you mean 'train.global_batch'?"), 1, done.stderr)

    def test_an_output_never_replaces_an_included_file(self):
        before = (self.folder / "shared/data.yaml").read_text()
        done = self.program("bench", "--config", "mine.yaml", *SMALL, "--steps", "1", "--json", "shared/data.yaml", "--overwrite")
        self.assertEqual(done.returncode, 2)
        self.assertIn("shared/data.yaml: cannot write to this file, because it is also read", done.stderr)
        self.assertEqual((self.folder / "shared/data.yaml").read_text(), before)

    def test_a_kept_configuration_reads_no_other_file(self):
        """A run that someone else made is data, not a list of files to read here."""
        self.train("kept", "train.steps=2")
        kept = self.run_path("kept") / "config.yaml"
        text = kept.read_text()
        kept.write_text(f"include: {self.folder}/shared/data.yaml\n{text}")
        self.program("report", "runs/kept", check=True)
        page = (self.run_path("kept") / "report.html").read_text()
        self.assertIn("config.yaml:1: include works only in files", page, "the page says what is wrong with it, and shows the curves")


if __name__ == "__main__":
    unittest.main()
