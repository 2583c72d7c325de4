"""The verbs other than train: their output, their files, and their error messages."""
import gzip
import json
import os
import re
import struct
import subprocess
import unittest

import h5py
import numpy

from comparing import file_hashes, read_safetensors
from png_files import is_png
from runs import BINARY, SMALL, RunFolder


class Help(RunFolder):
    GROUPS = {"weights": {"export", "import"}, "data": {"make-shapes", "make-fields", "make-showers", "import-idx", "import-images", "import-npz", "convert", "info", "verify"}}
    VERBS = {"train", "evaluate", "compare", "sample", "reconstruct", "interpolate", "traverse", "embed", "lesson", "report", "monitor", "config", "completion", *GROUPS}

    def help_of(self, *verb):
        return self.program(*verb, "--help", check=True).stdout

    def subcommands(self, text):
        listed = text.partition("Subcommands:\n")[2]
        return set(re.findall(r"^  (\S+) +\S", listed, re.MULTILINE))

    def test_every_verb_is_listed_with_what_it_does(self):
        self.assertGreaterEqual(self.subcommands(self.help_of()), self.VERBS)
        for group, verbs in self.GROUPS.items():
            self.assertGreaterEqual(self.subcommands(self.help_of(group)), verbs)

    def test_every_verb_has_help_with_an_example_of_itself(self):
        verbs = []
        for verb in self.subcommands(self.help_of()):
            inner = self.subcommands(self.help_of(verb))
            verbs += [(verb, each) for each in inner] if inner else [(verb,)]
        self.assertGreaterEqual(len(verbs), 9)
        for verb in verbs:
            with self.subTest(verb=verb):
                text = self.help_of(*verb)
                self.assertIn("Usage: vae_dist " + " ".join(verb), text)
                self.assertRegex(text, r"(?s)\nExamples?:\n.*vae_dist " + " ".join(verb))
                options = re.findall(r"^  (--\S+)(.*(?:\n {10,}.*)?)", text, re.MULTILINE)
                for name, description in options:
                    self.assertRegex(description, r"\s{2,}\S", f"{name} is not described")

    def test_under_mpirun_one_rank_speaks(self):
        for option in ("--help", "--version"):
            alone, together = self.program(option, check=True), self.program(option, np=2, check=True)
            self.assertEqual(together.stdout, alone.stdout)
        self.assertRegex(self.program("--version", check=True).stdout, r"^vae_dist \d+\.\d+\.\d+\n$")

    def test_a_wrong_command_line_is_refused_by_name(self):
        for arguments, named in [
                ([], "subcommand"), (["frobnicate"], "frobnicate"), (["data"], "subcommand"), (["data", "frobnicate"], "frobnicate"),
                (["sample", "--frob"], "--frob"), (["sample", "--checkpoint", "runs/a"], "--out"), (["train"], "--config"),
                (["sample", "--checkpoint", "runs/a", "--out", "a.png", "--count", "0"], "--count"),
                (["sample", "--checkpoint", "runs/a", "--out", "a.png", "--count", "many"], "--count"),
                (["reconstruct", "--checkpoint", "runs/a", "--out", "a.png", "--latent", "mode"], "--latent"),
                (["data", "info", "shapes.h5", "--layout", "NXW"], "--layout")]:
            with self.subTest(arguments=arguments):
                done = self.program(*arguments)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertTrue(done.stderr.startswith("vae_dist: "), done.stderr)
                self.assertIn(named, done.stderr)
                self.assertIn("--help", done.stderr)

    def test_a_wrong_command_line_is_told_once_under_mpirun(self):
        done = self.program("frobnicate", np=2)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr.count("frobnicate"), 1, done.stderr)


    def test_a_misspelt_verb_or_option_is_answered_with_the_nearest(self):
        for arguments, meant in [(["trian", "--config", "run.yaml"], "'train'"), (["data", "make-shape", "x.h5"], "'make-shapes'"), (["sample", "--chekpoint", "runs/a"], "'--checkpoint'"),
                                 (["evaluate", "--checkpoint=runs/a", "--importance-sample=3"], "'--importance-samples'"), (["info", "shapes.h5"], "'data info'"), (["train", "--dryrun"], "'--dry-run'")]:
            with self.subTest(arguments=arguments):
                done = self.program(*arguments)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(f"did you mean {meant}?", done.stderr)
        self.assertNotIn("did you mean", self.program("frobnicate").stderr)

    def test_a_configuration_may_be_named_without_an_option(self):
        for arguments in (["train", "run.yaml", "--dry-run"], ["run.yaml", "--dry-run"], ["train", "run.name=other", "run.yaml", "--dry-run"]):
            done = self.program(*arguments, *SMALL)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("runs/other" if "run.name=other" in arguments else "runs/run", done.stderr)
        self.assertEqual(self.program("config", "run.yaml", check=True).stdout, self.program("config", "--config", "run.yaml", check=True).stdout)
        self.assertIn("nowhere.yaml: cannot be read", self.program("bench", "nowhere.yaml").stderr)


class Outputs(RunFolder):
    """Every verb checks its output file before any work, even before it looks for its inputs, which therefore need not exist here."""
    WRITERS = {
        "sample": ["sample", "--checkpoint", "runs/none", "--out", "{}"], "reconstruct": ["reconstruct", "--checkpoint", "runs/none", "--out", "{}"],
        "interpolate": ["interpolate", "--checkpoint", "runs/none", "--out", "{}"], "traverse": ["traverse", "--checkpoint", "runs/none", "--out", "{}"],
        "embed": ["embed", "--checkpoint", "runs/none", "--out", "{}"], "evaluate": ["evaluate", "--checkpoint", "runs/none", "--json", "{}"],
        "compare": ["compare", "runs/none", "--json", "{}"], "compare's picture": ["compare", "runs/none", "--out", "{}"], "export": ["weights", "export", "--checkpoint", "runs/none", "--out", "{}"],
        "report": ["report", "runs/none", "runs/nothing", "--out", "{}"], "lesson": ["lesson", "--data", "none.h5", "--out", "{}"], "bench": ["bench", "--config", "none.yaml", "--json", "{}"],
        "trace": ["bench", "none.yaml", "--trace", "{}"], "info": ["data", "info", "none.h5", "--out", "{}"], "make-shapes": ["data", "make-shapes", "{}", "--count", "0"],
        "make-fields": ["data", "make-fields", "{}", "--count", "0"], "make-showers": ["data", "make-showers", "{}", "--count", "0"],
        "import-idx": ["data", "import-idx", "none", "{}"], "import-images": ["data", "import-images", "none", "{}"], "import-npz": ["data", "import-npz", "none.npz", "x", "{}"],
        "convert": ["data", "convert", "none.h5", "{}"]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.train("run", "train.steps=2", "data.validation.file=shapes.h5", "data.validation.dataset=imgs")

    def refused(self, *arguments):
        before = file_hashes(self.folder)
        done = self.program(*arguments)
        self.assertEqual(done.returncode, 2, f"{arguments}: {done.stdout}{done.stderr}")
        self.assertEqual(file_hashes(self.folder), before, arguments)
        return done.stderr

    def test_nothing_that_is_there_is_replaced_unless_asked_for(self):
        (self.folder / "there.h5").write_text("somebody's\n")
        (self.folder / "dangling.h5").symlink_to("nowhere.h5")
        for name, words in self.WRITERS.items():
            with self.subTest(name):
                said = self.refused(*(word.format("there.h5") for word in words))
                self.assertIn("there.h5: the file already exists", said)
                self.assertIn("--overwrite", said)
        self.assertIn("dangling.h5: the file already exists", self.refused("sample", "--checkpoint", "runs/run", "--out", "dangling.h5"))
        self.assertEqual((self.folder / "there.h5").read_text(), "somebody's\n")
        self.assertIn("no HDF5 file", self.program("sample", "--checkpoint", "runs/run", "--out", "there.h5", "--overwrite").stderr.replace("is not an HDF5", "no HDF5"))
        (self.folder / "old.png").write_text("old")
        self.program("sample", "--checkpoint", "runs/run", "--out", "old.png", "--overwrite", check=True)
        self.assertTrue(is_png(self.folder / "old.png"))

    def test_a_place_that_cannot_be_written_is_refused_before_the_work(self):
        for name in ("evaluate", "report", "trace", "make-shapes"):  # the tests above show that every verb checks its outputs
            with self.subTest(name):
                words = self.WRITERS[name]
                self.assertIn("shapes.h5/deep/x.h5: cannot create the folder shapes.h5/deep", self.refused(*(word.format("shapes.h5/deep/x.h5") for word in words)))

        self.assertIn("runs: cannot write to it, because it is a directory", self.refused("data", "info", "shapes.h5", "--out", "runs"))

    def test_folders_are_made_and_go_again_where_nothing_came_into_them(self):
        for name in ("sample", "bench", "convert"):
            with self.subTest(name):
                self.refused(*(word.format("new/folder/x.h5") for word in self.WRITERS[name]))
                self.assertFalse((self.folder / "new").exists())
        self.program("evaluate", "--checkpoint", "runs/run", "--coverage", "0", "--json", "new/folder/x.json", np=2, check=True)
        self.assertTrue((self.folder / "new" / "folder" / "x.json").is_file())

    def test_nothing_is_written_onto_what_is_read(self):
        own = self.folder / "own.h5"
        own.write_bytes((self.folder / "shapes.h5").read_bytes())
        (self.folder / "linked.h5").symlink_to("own.h5")
        (self.folder / "hard.h5").hardlink_to(own)
        checkpoint = f"runs/run/checkpoints/{self.checkpoint('run').name}"
        for words in (["embed", "--checkpoint", "runs/run", "--data", "own.h5", "--out", "own.h5"], ["embed", "--checkpoint", "runs/run", "--data", "own.h5", "--out", "hard.h5"],
                      ["reconstruct", "--checkpoint", "runs/run", "--data", "own.h5", "--out", "linked.h5"], ["compare", "runs/run", "--data", "linked.h5", "--out", "hard.h5"],
                      ["data", "convert", "shapes.h5", "own.h5", "linked.h5"], ["data", "info", "own.h5", "--out", "./own.h5"], ["lesson", "--data", "own.h5", "--out", "hard.h5"]):
            with self.subTest(words=words):
                self.assertIn(f"{words[-1]}: cannot write to this file, because it is also read", self.refused(*words, "--overwrite"))
        with h5py.File(self.folder / "virtual.h5", "w") as file:
            file["imgs"] = h5py.ExternalLink("own.h5", "/imgs")
        self.assertIn("hard.h5: cannot write to this file, because it is also read", self.refused("embed", "--checkpoint", "runs/run", "--data", "virtual.h5", "--out", "hard.h5", "--overwrite"))
        # Files that a run reads although they are not on the command line.
        for words in (["embed", "--checkpoint", "runs/run", "--out", "shapes.h5"], ["sample", "--checkpoint", checkpoint, "--out", "shapes.h5"], ["compare", "runs/run", "--out", "shapes.h5"],
                      ["evaluate", "--checkpoint", "runs/run", "--json", f"{checkpoint}/state.json"], ["weights", "export", "--checkpoint", "runs/run", "--out", f"{checkpoint}/weights.safetensors"],
                      ["report", "runs/run", "--out", "runs/run/metrics.jsonl"], ["bench", "run.yaml", *SMALL, "--json", "run.yaml"], ["bench", "run.yaml", *SMALL, "--json", "shapes.h5"],
                      ["bench", "run.yaml", *SMALL, "data.train.file=own.h5", "--trace", "hard.h5"]):
            with self.subTest(words=words):
                self.assertIn("it is also read", self.refused(*words, "--overwrite"))
        self.assertIn("two options write to this file", self.refused("compare", "runs/run", "--out", "one.h5", "--json", "one.h5"))

    def test_data_that_have_moved_are_asked_for(self):
        self.program("data", "make-shapes", "deep/moving.h5", "--count", "40", "--size", "16", "--channels", "1", check=True)
        self.train("moved", "train.steps=2", "data.train.file=deep/moving.h5")
        # From another folder the run still finds its data.
        (self.folder / "elsewhere").mkdir()
        done = subprocess.run([BINARY, "evaluate", "--checkpoint", "../runs/moved", "--coverage", "0"], cwd=self.folder / "elsewhere", text=True, capture_output=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        (self.folder / "deep" / "moving.h5").rename(self.folder / "moving.h5")
        for verb in (["evaluate"], ["embed", "--out", "codes_of_moved.h5"], ["reconstruct", "--rows", "0:8", "--out", "moved.png"]):
            with self.subTest(verb=verb):
                refused = self.program(*verb, "--checkpoint", "runs/moved")
                self.assertEqual(refused.returncode, 2, refused.stderr)
                self.assertIn("deep/moving.h5 (data.train), does not exist", refused.stderr)
                self.assertIn("--data FILE", refused.stderr)
                self.program(*verb, "--checkpoint", "runs/moved", "--data", "moving.h5", check=True)

    def test_makers_say_how_much_they_wrote(self):
        said = self.program("data", "make-shapes", "counted.h5", "--count", "9", "--size", "16", "--channels", "3", check=True).stdout
        self.assertIn("counted.h5 is written: 9 pictures of 16x16, RGB", said)


class Checkpoints(RunFolder):
    """How a checkpoint of a run is selected."""
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The second evaluation is worse than the first: the model learns nothing, and then the learning rate is far too large.
        cls.train("run", "train.steps=36", "checkpoint.every_steps=12", "checkpoint.keep=5", "evaluate.every_epochs=1", "data.validation.file=shapes.h5", "data.validation.dataset=imgs",
                  "train.optimizer.learning_rate=0.3", "train.optimizer.name=sgd", "train.optimizer.momentum=0")
        cls.train("none", "train.steps=2")

    def test_the_best_and_any_other_are_named_alike_in_all_verbs(self):
        best = json.loads((self.checkpoint("run") / "state_evaluated.json").read_text())["best_step"]
        self.assertIn(best, (12, 24, 36))
        for place, step in ((["runs/run@best"], best), (["runs/run/", "--best"], best), (["runs/run"], 36)):
            with self.subTest(place=place):
                done = self.program("sample", "--out", "samples.png", "--count", "2", "--overwrite", "--checkpoint", *place, check=True)
                self.assertIn(f"of runs/run/checkpoints/step_{step:08d} are in", done.stdout)
        for words in (["evaluate", "--coverage", "0"], ["reconstruct", "--rows", "0:8", "--out", "at.png"], ["weights", "export", "--out", "at.safetensors"]):
            self.assertIn("step_00000012", self.program(*words, "--checkpoint", "runs/run@12", check=True).stdout)
        self.assertIn(" 12 ", self.program("compare", "runs/run@12", "runs/run@24", check=True).stdout)

    def test_the_last_checkpoint_may_be_the_best(self):
        self.train("better", "train.steps=4", "checkpoint.every_steps=2", "evaluate.every_epochs=1", "data.validation={fraction: 0.2}")
        self.assertEqual(json.loads((self.checkpoint("better") / "state_evaluated.json").read_text())["best_step"], 4)
        done = self.program("sample", "--out", "better.png", "--count", "2", "--checkpoint", "runs/better@best", check=True)
        self.assertIn("of runs/better/checkpoints/step_00000004 are in", done.stdout)

    def test_one_that_is_not_there_is_refused_with_those_that_are(self):
        for place, says in (("runs/run@13", "there is no checkpoint of step 13; the run has step_00000036, step_00000024, step_00000012"), ("runs/none@best", "recorded no best checkpoint"),
                            ("runs/run@last", "@best and runs/run@1000"), ("runs/absent@best", "not a run directory")):
            with self.subTest(place=place):
                done = self.program("evaluate", "--checkpoint", place)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(says, done.stderr)
        self.assertIn("already names a checkpoint", self.program("evaluate", "--checkpoint", "runs/run@12", "--best").stderr)

    def test_every_verb_that_computes_takes_a_device(self):
        for verb in ("train", "bench", "sample", "reconstruct", "interpolate", "traverse", "embed", "evaluate", "compare", "lesson"):
            self.assertIn("--device", self.program(verb, "--help", check=True).stdout, verb)
        self.program("reconstruct", "--checkpoint", "runs/run", "--rows", "0:8", "--device", "cpu", "--out", "on_cpu.png", check=True)
        self.assertIn("CPU, 1 thread", self.program("train", "run.yaml", "--dry-run", "--device", "cpu", *SMALL, "run.name=dry", check=True).stderr)
        if not os.path.exists("/dev/nvidiactl"):
            done = self.program("sample", "--checkpoint", "runs/run", "--device", "cuda", "--out", "on_gpu.png")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("--device cuda: ", done.stderr)


class ConfigVerb(RunFolder):
    def fill_in(self, defaults):
        """The printed defaults with their required keys filled in."""
        lines = defaults.splitlines()
        required = [line for line in lines if re.match(r" *\w+: required\b", line)]
        self.assertEqual([line.split(":")[0].strip() for line in required], ["name", "file"])
        return defaults.replace(required[0], "  name: filled").replace(required[1], "    file: shapes.h5")

    def test_the_printed_defaults_are_a_configuration(self):
        defaults = self.program("config", check=True).stdout
        (self.folder / "filled.yaml").write_text(self.fill_in(defaults))
        resolved = self.program("config", "--config", "filled.yaml", check=True).stdout
        (self.folder / "resolved.yaml").write_text(resolved)
        self.assertEqual(self.program("config", "--config", "resolved.yaml", check=True).stdout, resolved)
        self.write_config("short.yaml", "run: {name: filled}\ndata: {train: {file: shapes.h5}}\n")
        self.assertEqual(self.program("config", "--config", "short.yaml", check=True).stdout, resolved)

    def test_overrides_are_shown_resolved(self):
        shown = self.program("config", "--config", "run.yaml", "train.global_batch=128", "objective.kld_weight.rule=fixed", check=True).stdout
        self.assertRegex(shown, r"(?m)^  global_batch: 128\b")
        self.assertRegex(shown, r"(?m)^    rule: fixed\b")
        self.assertRegex(shown, r"(?m)^  name: run\b")

    def test_a_key_alone_is_printed_as_a_script_wants_it(self):
        shown = self.program("config", "--config", "run.yaml", "--key", "run.name", "--key", "model.hidden_dims", "run.name='a: b'", "model.hidden_dims=[8]", check=True).stdout
        self.assertEqual(shown, "a: b\n[8]\n")
        for arguments, complaint in ((["--config", "run.yaml", "--key", "run.nam"], "run.nam"), (["--key", "run.name"], "--config FILE")):
            done = self.program("config", *arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn(complaint, done.stderr)

    def test_overrides_without_a_file_are_refused(self):
        done = self.program("config", "train.global_batch=128")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--config FILE", done.stderr)

    def test_a_wrong_key_is_refused_with_the_nearest(self):
        done = self.program("config", "--config", "run.yaml", "train.global_bach=128")
        self.assertEqual(done.returncode, 2)
        self.assertIn("train.global_batch", done.stderr)


class DataVerbs(RunFolder):
    def test_shapes_follow_from_their_seed(self):
        small = ["--size", "16", "--channels", "1"]
        for name, *options in [("again.h5", "--count", "200"), ("other.h5", "--count", "200", "--seed", "1"), ("more.h5", "--count", "210")]:
            self.program("data", "make-shapes", name, *small, *options, check=True)
        with h5py.File(self.folder / "shapes.h5") as first, h5py.File(self.folder / "again.h5") as again, \
                h5py.File(self.folder / "other.h5") as other, h5py.File(self.folder / "more.h5") as more:
            self.assertEqual(first["imgs"].dtype, numpy.uint8)
            self.assertEqual(first["imgs"].shape[:3], (200, 16, 16))
            self.assertEqual(len(first["latents/values"]), 200)
            self.assertEqual(len(first["latents/classes"]), 200)
            for path in ("imgs", "latents/values", "latents/classes"):
                numpy.testing.assert_array_equal(first[path][:], again[path][:])
                numpy.testing.assert_array_equal(first[path][:], more[path][:200])
                self.assertFalse(numpy.array_equal(first[path][:], other[path][:]))
            self.assertGreater(first["imgs"][:].std(), 10)

    def test_wrong_sizes_of_shapes_are_refused(self):
        for option, value in [("--count", 0), ("--size", 0), ("--channels", 2)]:
            with self.subTest(option=option):
                done = self.program("data", "make-shapes", "wrong.h5", option, value)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(option.strip("-"), done.stderr)
                self.assertFalse(list(self.folder.glob("*wrong.h5*")))

    def test_info_says_what_a_file_holds_and_how_it_is_read(self):
        done = self.program("data", "info", "shapes.h5", "--picture", "shapes.png", check=True)
        with h5py.File(self.folder / "shapes.h5") as file:
            shape = list(file["imgs"].shape)
        self.assertIn(f"imgs: uint8 {shape}, chunks of", done.stdout)
        self.assertRegex(done.stdout, r"latents/values: float\d\d \[200, \d\]")
        self.assertIn("read as shapes.h5:/imgs: 200 images 1x16x16", done.stdout)
        self.assertRegex(done.stdout, r"fingerprint [0-9a-f]{16}\n")
        self.assertTrue(is_png(self.folder / "shapes.png"))

    def test_info_reads_every_layout(self):
        images = numpy.random.default_rng(1).integers(0, 256, (5, 3, 8, 9), dtype=numpy.uint8)
        with h5py.File(self.folder / "layouts.h5", "w") as file:
            file["planes"], file["pixels"], file["grey"] = images, images.transpose(0, 2, 3, 1), images[:, 0]
        several = self.program("data", "info", "layouts.h5")
        self.assertEqual(several.returncode, 2)
        for name in ("planes", "pixels", "grey"):
            self.assertIn(name, several.stderr)
        pictures = {}
        for name, described in [("planes", "5 images 3x8x9 (NCHW, uint8 0-255)"), ("pixels", "5 images 3x8x9 (NHWC, uint8 0-255)"),
                                ("grey", "5 images 1x8x9 (NHW, uint8 0-255)")]:
            done = self.program("data", "info", "layouts.h5", "--dataset", name, "--picture", f"{name}.png", check=True)
            self.assertIn(f"layouts.h5:/{name}: {described}", done.stdout)
            pictures[name] = (self.folder / f"{name}.png").read_bytes()
        self.assertNotEqual(pictures["pixels"], pictures["grey"])

    def write_idx(self, name, values, opener=open):
        with opener(self.folder / name, "wb") as file:
            file.write(struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes())

    def test_idx_files_are_imported_plain_and_compressed(self):
        images = numpy.random.default_rng(2).integers(0, 256, (30, 7, 6), dtype=numpy.uint8)
        labels = (numpy.arange(30) % 10).astype(numpy.uint8)
        self.write_idx("images", images)
        self.write_idx("images.gz", images, gzip.open)
        self.write_idx("labels.gz", labels, gzip.open)
        self.assertIn("plain.h5 is written: 30 pictures of 7x6, without labels", self.program("data", "import-idx", "images", "plain.h5", check=True).stdout)
        self.program("data", "import-idx", "images.gz", "labels.gz", "labelled.h5", check=True)
        with h5py.File(self.folder / "plain.h5") as plain, h5py.File(self.folder / "labelled.h5") as labelled:
            numpy.testing.assert_array_equal(plain["imgs"][:], images)
            self.assertEqual(list(plain), ["imgs"])
            numpy.testing.assert_array_equal(labelled["imgs"][:], images)
            numpy.testing.assert_array_equal(labelled["labels"][:], labels)
        self.assertIn("30 images 1x7x6", self.program("data", "info", "labelled.h5", check=True).stdout)

    def test_idx_files_that_are_wrong_leave_nothing(self):
        images = numpy.zeros((30, 7, 6), numpy.uint8)
        self.write_idx("right", images)
        self.write_idx("few_labels", numpy.zeros(29, numpy.uint8))
        (self.folder / "short").write_bytes((self.folder / "right").read_bytes()[:-1])
        for arguments, says in [(["short"], "truncated"), (["absent"], "No such file"), (["shapes.h5"], "IDX"), (["right", "few_labels"], "29 labels")]:
            with self.subTest(arguments=arguments):
                done = self.program("data", "import-idx", *arguments, "wrong.h5")
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(arguments[-1], done.stderr)
                self.assertIn(says, done.stderr)
                self.assertFalse(list(self.folder.glob("*wrong.h5*")))


class Pictures(RunFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.train("run", "train.steps=40")

    def images(self, verb, out, *options):
        """The datasets of the .h5 file written by the verb, and its output."""
        done = self.program(verb, "--checkpoint", "runs/run", "--out", out, *options, check=True)
        with h5py.File(self.folder / out) as file:
            return {name: file[name][:] for name in file}, done.stdout

    def test_samples_are_images_of_the_models_range(self):
        datasets, said = self.images("sample", "samples.h5", "--count", "5")
        self.assertEqual(list(datasets), ["samples"])
        samples = datasets["samples"]
        self.assertEqual((samples.shape, samples.dtype), ((5, 1, 16, 16), numpy.float32))
        self.assertGreaterEqual(samples.min(), 0)
        self.assertLessEqual(samples.max(), 1)
        self.assertFalse(numpy.array_equal(samples[0], samples[1]))
        self.assertIn("5 samples of runs/run/checkpoints/step_00000040 are in samples.h5", said)

    def test_a_sample_follows_from_seed_and_number(self):
        few, _ = self.images("sample", "few.h5", "--count", "3", "--seed", "4")
        more, _ = self.images("sample", "more.h5", "--count", "9", "--seed", "4")
        other, _ = self.images("sample", "other.h5", "--count", "3", "--seed", "5")
        numpy.testing.assert_allclose(few["samples"], more["samples"][:3], rtol=0, atol=1e-6)
        self.assertGreater(abs(few["samples"] - other["samples"]).max(), 1e-3)
        self.images("sample", "again.h5", "--count", "3", "--seed", "4")
        self.assertEqual((self.folder / "few.h5").read_bytes(), (self.folder / "again.h5").read_bytes())

    def test_temperature_zero_is_the_picture_of_the_priors_mean(self):
        datasets, _ = self.images("sample", "prior_mean.h5", "--count", "3", "--temperature", "0")
        numpy.testing.assert_allclose(datasets["samples"][1:], datasets["samples"][:2], rtol=0, atol=1e-6)

    def test_pictures_are_png_and_equal_for_equal_seeds(self):
        for verb, options in [("sample", ["--count", "10"]), ("reconstruct", ["--rows", "0:10"])]:
            for name in ("first.png", "second.png"):
                self.program(verb, "--checkpoint", "runs/run", "--out", name, "--overwrite", *options, check=True)
            self.assertTrue(is_png(self.folder / "first.png"))
            self.assertEqual((self.folder / "first.png").read_bytes(), (self.folder / "second.png").read_bytes())

    def test_reconstructions_stand_beside_their_originals(self):
        datasets, said = self.images("reconstruct", "rows.h5", "--rows", "7:20")
        self.assertEqual(sorted(datasets), ["originals", "reconstructions"])
        originals, reconstructions = datasets["originals"], datasets["reconstructions"]
        with h5py.File(self.folder / "shapes.h5") as file:
            stored = file["imgs"][7:20].reshape(13, 1, 16, 16) / 255.0
        numpy.testing.assert_allclose(originals, stored, rtol=0, atol=1e-6)
        self.assertEqual((reconstructions.shape, reconstructions.dtype), ((13, 1, 16, 16), numpy.float32))
        self.assertGreaterEqual(reconstructions.min(), 0)
        self.assertLessEqual(reconstructions.max(), 1)
        mse = float(re.search(r"MSE (\S+)", said)[1])
        self.assertAlmostEqual(mse, numpy.square(originals.astype(float) - reconstructions).mean(), delta=1e-4 * mse)

    def test_a_sampled_latent_follows_from_the_seed(self):
        rows = {}
        for name, *options in [("mean",), ("one", "--latent", "sample", "--seed", "1"), ("same", "--latent", "sample", "--seed", "1"),
                               ("two", "--latent", "sample", "--seed", "2")]:
            rows[name], _ = self.images("reconstruct", f"{name}.h5", "--rows", "0:6", *options)
        numpy.testing.assert_array_equal(rows["one"]["reconstructions"], rows["same"]["reconstructions"])
        for name in ("mean", "two"):
            self.assertGreater(abs(rows["one"]["reconstructions"] - rows[name]["reconstructions"]).max(), 1e-4)

    def test_other_data_can_be_reconstructed_if_it_fits(self):
        self.program("data", "make-shapes", "fits.h5", "--count", "8", "--size", "16", "--channels", "1", "--seed", "9", check=True)
        datasets, _ = self.images("reconstruct", "fitting.h5", "--data", "fits.h5", "--rows", "0:8")
        with h5py.File(self.folder / "fits.h5") as file:
            numpy.testing.assert_allclose(datasets["originals"].squeeze(), file["imgs"][:].reshape(8, 16, 16) / 255.0, rtol=0, atol=1e-6)
        self.program("data", "make-shapes", "larger.h5", "--count", "8", "--size", "20", "--channels", "1", check=True)
        refused = self.program("reconstruct", "--checkpoint", "runs/run", "--data", "larger.h5", "--rows", "0:8", "--out", "larger.png")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("1x20x20", refused.stderr)
        self.assertIn("1x16x16", refused.stderr)

    def test_wrong_rows_places_and_endings_are_refused(self):
        before = file_hashes(self.folder)
        for rows in ("5", "a:b", "3:3", "5:2", "-1:4", "0:4x", ":", "0:99999999999999999999", "0:201"):
            with self.subTest(rows=rows):
                done = self.program("reconstruct", "--checkpoint", "runs/run", f"--rows={rows}", "--out", "refused.png")
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(f"--rows {rows}: ", done.stderr)
                self.assertIn("there are 200 images" if rows == "0:201" else "0:32", done.stderr)
        for verb in ("sample", "reconstruct"):
            for arguments, says in [(["--checkpoint", "runs/run", "--out", "refused.jpg"], ".png"), (["--checkpoint", "runs", "--out", "refused.png"], "manifest.json"),
                                    (["--checkpoint", "runs/run", "--out", "shapes.h5/refused.h5"], "cannot create the folder shapes.h5")]:
                with self.subTest(verb=verb, arguments=arguments):
                    done = self.program(verb, *arguments)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertIn(says, done.stderr)
        self.assertEqual(file_hashes(self.folder), before)

    def test_under_mpirun_one_rank_does_the_work(self):
        alone, _ = self.images("sample", "alone.h5", "--count", "4")
        done = self.program("sample", "--checkpoint", "runs/run", "--out", "together.h5", "--count", "4", np=2, check=True)
        self.assertEqual(done.stdout.count("4 samples of"), 1)
        with h5py.File(self.folder / "together.h5") as file:
            numpy.testing.assert_allclose(file["samples"][:], alone["samples"], rtol=0, atol=1e-6)


class WeightsVerbs(RunFolder):
    # One batch holds all data, so the KL of a step depends only on the weights, not on the order. (It never depends on the noise.)
    WHOLE_BATCH = ["data.train.rows=[0, 32]", "train.global_batch=32"]

    def test_a_run_goes_on_from_exported_weights(self):
        self.train("first", *self.WHOLE_BATCH, "train.steps=40")
        self.program("weights", "export", "--checkpoint", "runs/first", "--out", "first.safetensors", check=True)
        exported = (self.folder / "first.safetensors").read_bytes()
        self.assertEqual(exported, (self.checkpoint("first") / "weights.safetensors").read_bytes())

        for name in ("second", "third"):
            self.program("weights", "import", "first.safetensors", "run.yaml", f"run.name={name}", *SMALL, *self.WHOLE_BATCH, check=True)
            self.assertEqual((self.checkpoint(name, 0) / "weights.safetensors").read_bytes(), exported)

        # The first run's step 41 and the second's step 1 begin with the same weights.
        self.train("first", *self.WHOLE_BATCH, "train.steps=41")
        self.train("second", *self.WHOLE_BATCH, "train.steps=1")
        expected, seen = self.steps("first")[41]["kld"], self.steps("second")[1]["kld"]
        self.assertAlmostEqual(seen, expected, delta=1e-5 * expected)
        self.assertGreater(abs(self.steps("first")[1]["kld"] - expected), 0.1 * expected, "training changed the KL too little to tell")

        # Any number of ranks can continue from these weights.
        self.train("third", *self.WHOLE_BATCH, "train.steps=2", np=2)
        self.assertEqual(sorted(self.steps("third")), [1, 2])

    def test_a_run_that_has_begun_takes_no_weights(self):
        self.train("begun", "train.steps=2")
        before = file_hashes(self.run_path("begun"))
        self.program("weights", "export", "--checkpoint", "runs/begun", "--out", "begun.safetensors", check=True)
        done = self.program("weights", "import", "begun.safetensors", "--config", "run.yaml", "run.name=begun", *SMALL)
        self.assertEqual(done.returncode, 2)
        self.assertIn("Choose another run.name", done.stderr)
        self.assertEqual(file_hashes(self.run_path("begun")), before)

    def test_a_file_that_holds_no_weights_is_refused(self):
        (self.folder / "notes.txt").write_text("These are no weights, whatever the name.\n")
        for file in ("notes.txt", "absent.safetensors", "runs"):
            done = self.program("weights", "import", file, "--config", "run.yaml", "run.name=none", *SMALL)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(file, done.stderr)
            self.assertFalse(self.run_path("none").exists())


class DryRun(RunFolder):
    ROWS = {
        "ranks": "2, replicas R = 2 (1 per rank)",
        "global batch G": "16: 8 per replica, 8 per rank",
        "training data": "shapes.h5:/imgs: 200 images 1x16x16",
        "samples N": "200, 12 steps per epoch (the last 8 of each epoch are dropped)",
        "steps": "36 (3 epochs)",
        "M_N": "6.25e-05 by reference: 0.00025 * 16 / 64 (auto)",  # the reference weight at batch 64, for G = 16
        "run": "runs/dry",
        "sigma_eff": "",
        "memory per rank": "",
        "optimizer": "adam, learning rate 0.001 first, 0.001 last",
    }

    def table(self, stderr):
        return dict(re.findall(r"^  (\S.*?)  +(\S.*)$", stderr, re.MULTILINE))

    def test_it_prints_the_table_and_leaves_nothing_behind(self):
        before = file_hashes(self.folder)
        # The verb may be omitted.
        done = self.program("--config", "run.yaml", "--dry-run", "run.name=dry", *SMALL, "train.epochs=3", np=2, check=True)
        self.assertEqual(file_hashes(self.folder), before)
        self.assertEqual(done.stderr.count("global batch G"), 1, "told once")
        table = self.table(done.stderr)
        for name, value in self.ROWS.items():
            self.assertIn(name, table)
            self.assertTrue(table[name].startswith(value), f"{name}: {table[name]}")
        self.assertNotIn("step 1", done.stderr)

    def test_the_parameters_it_counts_are_those_of_the_weights(self):
        table = self.table(self.program("train", "--config", "run.yaml", "--dry-run", "run.name=counted", *SMALL, check=True).stderr)
        counted = int(re.search(r"(\d+) parameters", table["model"])[1])
        self.train("counted", "train.steps=1")
        tensors = read_safetensors(self.checkpoint("counted") / "weights.safetensors")
        buffers = ("running_mean", "running_var", "num_batches_tracked")
        self.assertEqual(counted, sum(tensor.size for name, tensor in tensors.items() if not name.endswith(buffers)))
        # Values, gradients and two moments, four bytes each.
        self.assertAlmostEqual(float(re.match(r"(\S+) kB for the model", table["memory per rank"])[1]), counted * 16 / 1000, delta=counted * 16 / 1000 / 100)
        self.assertIn("51.2 kB per node for the data", table["memory per rank"])

    def test_it_finds_what_is_wrong(self):
        for overrides, says in [(["data.train.file=absent.h5"], "absent.h5"), (["train.global_batch=18", "distributed.replicas=3"], "2 ranks"),
                                (["train.global_bach=8"], "train.global_batch")]:
            with self.subTest(overrides=overrides):
                done = self.program("train", "--config", "run.yaml", "--dry-run", "run.name=dry", *SMALL, *overrides, np=2)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(done.stderr.count("vae_dist: "), 1, done.stderr)
                self.assertIn(says, done.stderr)


if __name__ == "__main__":
    unittest.main()
