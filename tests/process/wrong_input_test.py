"""Wrong input is rejected before the first step: one message with the place and the remedy, exit code 2, and no files are written."""
import json
import os
import pathlib
import re
import shutil
import unittest

import h5py
import numpy

from comparing import file_hashes, loss_differences
from runs import BINARY, SMALL, RunFolder

# The block that mpirun prints if an exit code is not 0.
MPIRUN_BLOCK = re.compile(r"^-{20,}\n.*?^-{20,}\n", re.DOTALL | re.MULTILINE)


class WrongInput(RunFolder):
    def assert_refused(self, *arguments, says, np=2, env=None):
        """Runs on 2 ranks by default. `says`: parts of the message; the first states the problem and must appear exactly once."""
        before = file_hashes(self.folder)
        done = self.program(*arguments, np=np, env=env)
        said = MPIRUN_BLOCK.sub("", done.stderr).strip()
        self.assertEqual(done.returncode, 2, said)
        for text in says:
            self.assertIn(text, said)
        self.assertEqual(len(re.findall("^vae_dist: ", said, re.MULTILINE)), 1, f"told once, by whom: {said}")
        self.assertEqual(said.count(says[0]), 1, said)
        self.assertNotIn("\n\n", said, "one paragraph")
        self.assertNotIn("step 1/", said, "training began")
        self.assertEqual(file_hashes(self.folder), before, "something was written")
        return said

    def assert_training_refused(self, *overrides, says, name="new", **options):
        return self.assert_refused("train", "--config", "run.yaml", f"run.name={name}", *SMALL, "train.steps=8", *overrides, says=says, **options)


class WrongData(WrongInput):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with h5py.File(cls.folder / "various.h5", "w") as file:
            file["labels"] = numpy.arange(200)
            file["flat"] = numpy.ones((200, 256), numpy.uint8)
            file["complex"] = numpy.ones((200, 16, 16), numpy.complex64)
            file["holes"] = numpy.where(numpy.arange(200 * 256) == 5000, numpy.nan, 0.5).reshape(200, 16, 16)
            file["bytes"] = numpy.ones((200, 16, 16), numpy.uint8)
            file["planes"] = numpy.ones((200, 5, 16, 16), numpy.uint8)

    def test_a_missing_file(self):
        self.assert_training_refused("data.train.file=none.h5", says=["none.h5", "data.train", "No such file", "relative path"])

    def test_a_file_that_only_one_rank_misses(self):
        # Rank 1 starts in another folder. All ranks exit, and the message names the rank with the error.
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()
        self.addCleanup(elsewhere.rmdir)
        command = ["--config", self.folder / "run.yaml", "run.name=new", *SMALL, "train.steps=8"]
        self.assert_refused(*command, ":", "-np", 1, "-wdir", elsewhere, BINARY, *command,
                            says=["rank 1: data.train", "shapes.h5", "No such file"], np=1)

    def test_a_file_cut_short_anywhere(self):
        whole = (self.folder / "shapes.h5").read_bytes()
        cut = self.folder / "cut.h5"
        self.addCleanup(cut.unlink)
        # Truncated to nothing, half a signature, inside the superblock, the first object header, the data, and all but the last byte.
        for length, says in ((0, "not an HDF5 file"), (4, "not an HDF5 file"), (20, "cut.h5"), (96, "truncated"), (len(whole) // 2, "truncated"),
                             (len(whole) - 1, "truncated")):
            with self.subTest(bytes=length):
                cut.write_bytes(whole[:length])
                self.assert_training_refused("data.train.file=cut.h5",
                                             says=["cut.h5", "data.train", says], np=2 if length in (0, len(whole) // 2) else None)

    def test_a_damaged_chunk(self):
        content = bytearray((self.folder / "shapes.h5").read_bytes())
        with h5py.File(self.folder / "shapes.h5") as file:
            chunk = file["imgs"].id.get_chunk_info(1)
        content[chunk.byte_offset + chunk.size // 2] ^= 0xFF
        damaged = self.folder / "damaged.h5"
        damaged.write_bytes(content)
        self.addCleanup(damaged.unlink)
        self.assert_training_refused("data.train.file=damaged.h5", says=["damaged.h5", "imgs"])

    def test_something_else_than_hdf5(self):
        self.assert_training_refused("data.train.file=run.yaml", says=["run.yaml is not an HDF5 file"])
        self.assert_training_refused("data.train.file=.", says=["it is a directory"], np=None)

    def test_an_absent_dataset(self):
        self.assert_training_refused("data.train.dataset=pictures",
                                     says=["has no dataset 'pictures'", "shapes.h5", "'imgs'", "'latents/values'"])

    def test_several_candidates(self):
        self.assert_training_refused("data.train.file=various.h5", "data.train.dataset=null",
                                     says=["several datasets look like images", "data.train.dataset", "bytes [200, 16, 16] uint8"])

    def test_a_dataset_of_the_wrong_rank(self):
        self.assert_training_refused("data.train.file=various.h5", "data.train.dataset=labels",
                                     says=["various.h5:/labels", "[200]", "W (a file is one series of 200 values)"])
        self.assert_training_refused("data.train.file=various.h5", "data.train.dataset=flat",
                                     says=["various.h5:/flat", "[200, 256]", "NV (200 vectors of 256 values)"], np=None)
        self.assert_training_refused("data.train.file=various.h5", "data.train.dataset=bytes", "data.train.layout=NHWC",
                                     says=["various.h5:/bytes", "[200, 16, 16]", "NHWC"], np=None)

    def test_an_axis_of_channels_that_cannot_be_told(self):
        self.assert_training_refused("data.train.file=various.h5", "data.train.dataset=planes",
                                     says=["[200, 5, 16, 16]", "NHWC or NCHW"], np=None)

    def test_a_dataset_of_the_wrong_type(self):
        self.assert_training_refused("data.train.file=various.h5", "data.train.dataset=complex",
                                     says=["various.h5, dataset 'complex'", "compound", "integers or floats"])

    def test_images_with_values_that_are_no_numbers(self):
        self.assert_training_refused("data.train.file=various.h5", "data.train.dataset=holes", says=["various.h5, dataset 'holes': row 19", "not a finite number"])

    def test_rows_out_of_range(self):
        self.assert_training_refused("data.train.rows=[100, 201]", says=["rows [100, 201]", "200 rows", "shapes.h5"])
        self.assert_training_refused("data.train.rows=[9, 5]", says=["holds no row", "data.train.rows"], np=None)

    def test_validation_images_of_another_size(self):
        self.program("data", "make-shapes", "larger.h5", "--count", 20, "--size", 24, "--channels", 1, check=True)
        self.assert_training_refused("data.validation.file=larger.h5", "data.validation.dataset=imgs",
                                     says=["data.validation", "1x24x24", "1x16x16"])

    def test_validation_images_that_are_dark_by_chance(self):
        # Values of only 0 and 1 are read as black and white, but the training values as grey levels.
        with h5py.File(self.folder / "dark.h5", "w") as file:
            file["imgs"] = numpy.arange(20 * 256, dtype=numpy.uint8).reshape(20, 16, 16) % 2
        self.addCleanup((self.folder / "dark.h5").unlink)
        self.assert_training_refused("data.validation.file=dark.h5", "data.validation.dataset=imgs",
                                     says=["the values of data.train and data.validation have different scales", "set data.train.scale and data.validation.scale"])
        self.assert_training_refused("data.validation.file=dark.h5", "data.validation.dataset=imgs", "data.validation.scale=0.00392156862745098", "data.train.scale=2", says=["its scale"], np=None)


class WrongSizes(WrongInput):
    def test_a_global_batch_that_the_replicas_do_not_divide(self):
        # First R follows from -np 2, then it is given.
        said = self.assert_training_refused("train.global_batch=15", says=["train.global_batch", "15", "distributed.replicas"])
        self.assertNotIn("configuration of rank 0", said, "a place that no user knows")
        self.assert_training_refused("train.global_batch=18", "distributed.replicas=4", says=["train.global_batch is 18", "4"])

    def test_replicas_that_the_ranks_do_not_divide(self):
        self.assert_training_refused("train.global_batch=18", "distributed.replicas=3", says=["distributed.replicas 3", "2 ranks"])

    def test_fewer_samples_than_a_global_batch(self):
        self.assert_training_refused("train.global_batch=202", says=["200 samples", "train.global_batch 202"])

    def test_more_steps_or_samples_than_can_be_counted(self):
        self.assert_training_refused("train.steps=null", "train.epochs=1000000000000000", says=["train.epochs is 1000000000000000", "at most 1000000000000"], np=None)
        self.assert_refused("train", "--config", "run.yaml", "run.name=new", "train.batch_per_replica=1000000000000", "distributed.replicas=1000000000000", says=["train.batch_per_replica 1000000000000", "distributed.replicas 1000000000000", "samples per step"])

    def test_one_sample_for_each_replica(self):
        self.assert_training_refused("train.global_batch=2", says=["one sample", "train.global_batch 2"])


class WrongConfig(WrongInput):
    def assert_file_refused(self, text, says, **options):
        self.write_config("wrong.yaml", "run: {name: new}\ndata:\n  train:\n    file: shapes.h5\n    dataset: imgs\n" + text)
        self.addCleanup((self.folder / "wrong.yaml").unlink)
        self.assert_refused("--config", "wrong.yaml", says=says, **options)

    def test_an_unknown_key(self):
        self.assert_file_refused("train:\n  global_bach: 64\n", ["wrong.yaml:7: unknown key 'train.global_bach'", "did you mean 'train.global_batch'?"])

    def test_a_wrong_type(self):
        self.assert_file_refused("train:\n  epochs: 3\n  global_batch: many\n", ["wrong.yaml:8: train.global_batch", "an integer", "many"])

    def test_a_value_out_of_range(self):
        self.assert_file_refused("train: {global_batch: 0}\n", ["wrong.yaml:6: train.global_batch is 0", "at least 1"], np=None)

    def test_a_cuda_graph_on_the_cpu(self):
        self.assert_file_refused("train:\n  cuda_graph: true\ndistributed: {device: cpu}\n", ["wrong.yaml:7: train.cuda_graph is true, which needs a GPU", "to auto"])

    def test_a_required_key_that_is_missing(self):
        self.write_config("wrong.yaml", "run: {name: new}\n")
        self.assert_refused("--config", "wrong.yaml", says=["wrong.yaml", "'data.train.file' is missing"], np=None)

    def test_an_override_says_that_it_came_from_the_command_line(self):
        self.assert_training_refused("train.step=3", says=["train.step=3 (command line): unknown key", "did you mean 'train.steps'?"])

    def test_a_file_that_is_not_there_or_no_yaml(self):
        self.assert_refused("--config", "nowhere.yaml", says=["nowhere.yaml", "No such file"])
        self.assert_file_refused("train: [1, 2\n", ["wrong.yaml:", "not valid YAML"], np=None)

    def test_an_unknown_option(self):
        self.assert_refused("train", "--config", "run.yaml", "--bogus", says=["--bogus", "--help"])

    def test_a_gpu_that_cannot_be_used(self):
        if pathlib.Path("/dev/nvidia0").exists():
            # A GPU that is present but hidden must not lead to a silent run on the CPU.
            self.assert_training_refused("distributed.device=auto",
                                         says=["cannot use it", "distributed.device=cpu"], env={"CUDA_VISIBLE_DEVICES": ""})
        else:
            self.assert_training_refused("distributed.device=cuda", says=["there is no GPU", "distributed.device=cpu"])


class WrongPlace(WrongInput):
    """Tests beside a finished run `kept` of 6 steps, with checkpoints of steps 3 and 6."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.train("kept", "train.steps=6", "checkpoint.every_steps=3", np=2)

    def copy_of_kept(self, directory):
        """Copies the run to another run.directory, which may change on a resume. Returns the path of the copy."""
        shutil.copytree(self.folder / "runs", self.folder / directory)
        self.addCleanup(shutil.rmtree, self.folder / directory)
        return self.folder / directory / "kept"

    def test_a_run_directory_that_cannot_be_written(self):
        # A path below a file, which even root cannot create.
        self.assert_training_refused("run.directory=shapes.h5", says=["shapes.h5/new", "run.directory"])

    def test_a_run_that_is_not_to_be_resumed(self):
        self.assert_training_refused("checkpoint.resume=never", name="kept", says=["holds the checkpoints of an earlier run", "runs/kept", "checkpoint.resume", "run.name", "vae_dist train --from runs/kept"])

    def test_a_checkpoint_that_is_not_there(self):
        self.assert_training_refused("checkpoint.resume=nowhere/step_00000003", says=["nowhere/step_00000003", "checkpoint.resume", "neither a checkpoint"])

    def test_a_resume_that_changes_what_may_not_change(self):
        said = self.assert_training_refused("train.optimizer.learning_rate=0.5", "model.latent_dim=5", "log.every_steps=2", name="kept",
                                            says=["train.optimizer.learning_rate: 0.001 in the run, 0.5 now",
                                                  "model.latent_dim: 4 in the run, 5 now", "run.name",
                                                  "vae_dist train --from runs/kept/checkpoints/step_00000006 run.name=NEW"])
        self.assertNotIn("log.every_steps", said)

    def test_a_resume_with_another_number_of_replicas(self):
        self.assert_training_refused("distributed.replicas=4", name="kept", says=["distributed.replicas: 2 in the run, 4 now"])

    def test_a_resume_with_other_images(self):
        self.program("data", "make-shapes", "others.h5", *self.IMAGES, "--seed", 99, check=True)
        self.assert_training_refused("data.train.file=others.h5", name="kept", says=["data.train is not the dataset", "run.name", "vae_dist train --from runs/kept/checkpoints/step_00000006 run.name=NEW"])

    def test_a_run_whose_checkpoints_are_all_damaged(self):
        run = self.copy_of_kept("all_damaged")
        for step, file in ((3, "optimizer.safetensors"), (6, "weights.safetensors")):
            flip_last_byte(run / "checkpoints" / f"step_{step:08d}" / file)
        said = self.assert_training_refused("run.directory=all_damaged", name="kept", says=["none of the 2 checkpoint(s)", "start from scratch"])
        self.assertIn("step_00000003/optimizer.safetensors", said)
        self.assertIn("step_00000006/weights.safetensors", said)

    def test_a_checkpoint_without_its_manifest(self):
        run = self.copy_of_kept("bare")
        for step in (3, 6):
            (run / "checkpoints" / f"step_{step:08d}" / "manifest.json").unlink()
        self.assert_training_refused("run.directory=bare", name="kept", says=["none of the 2 checkpoint(s)"])

    def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(self):
        run = self.copy_of_kept("newest_damaged")
        flip_last_byte(run / "checkpoints/step_00000006/weights.safetensors")
        done = self.train("kept", "train.steps=8", "run.directory=newest_damaged", np=2)
        self.assertRegex(done.stderr, r"warning: .*step_00000006/weights.safetensors.* falling back")
        self.assertIn("from 3 to 8", done.stderr)

        # The lost steps are repeated with the same results.
        lines = (run / "metrics.jsonl").read_text().splitlines()
        records = [record for record in map(json.loads, lines) if "loss" in record]
        self.assertEqual([record["step"] for record in records], list(range(1, 9)))
        again = {record["step"]: record for record in records if record["step"] <= 6}
        self.assertLess(max(loss_differences(again, self.steps("kept")).values()), 1e-5)


def flip_last_byte(path):
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        (last,) = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))


if __name__ == "__main__":
    unittest.main()
