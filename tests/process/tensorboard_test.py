"""TensorBoard's own reader on the event files of real runs: every number of metrics.jsonl, also of a run that was killed and went on; pictures,
histograms, the configuration, and the tables of hyperparameters."""
import collections
import io
import json
import math
import re
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

import numpy
from PIL import Image
from tensorboard.backend.event_processing import data_provider, event_accumulator, plugin_event_multiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import backend_context, plugin_data_pb2
from tensorboard.util import tensor_util

from deadline import HANGS_S
from runs import SMALL, RunFolder, end_process

EVERYTHING = {event_accumulator.SCALARS: 0, event_accumulator.IMAGES: 0, event_accumulator.HISTOGRAMS: 0, event_accumulator.TENSORS: 0}
WATCHED = ["evaluate.every_steps=10", "pictures.every_steps=10", "pictures.samples=4", "pictures.reconstructions=4"]


def read(folder):
    """TensorBoard's view of a folder, nothing left out."""
    found = event_accumulator.EventAccumulator(str(folder), size_guidance=EVERYTHING)
    found.Reload()
    return found


def expected(log):
    """The points of each curve, as single-precision numbers, from the records of metrics.jsonl."""
    curves = collections.defaultdict(list)
    for record in log:
        on = record.get("evaluated")
        group = {"validation": "validation/", "training": "training_rows/"}[on] if on else "train/" if "loss" in record else "run/"
        for name, value in record.items():
            if name != "step" and (value is None or isinstance(value, (int, float))):
                curves[group + (name.removeprefix("evaluation_") if on else name)].append((record["step"], numpy.float32(math.nan if value is None else value)))
    return curves


class TensorBoard(RunFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.write_config("run.yaml", "run: {name: run}\ndata: {train: {file: shapes.h5, dataset: imgs, rows: [0, 160]}, validation: {file: shapes.h5, dataset: imgs, rows: [160, 200]}}\n")
        cls.train("one", "train.steps=20", *WATCHED)

    def folder_of(self, name):
        return self.run_path(name) / "tensorboard"

    def same_curves(self, name):
        """Compares every scalar with metrics.jsonl, and returns what TensorBoard has read."""
        found, wanted = read(self.folder_of(name)), expected(self.log(name))
        self.assertGreater(len(wanted), 20)
        self.assertEqual(sorted(found.Tags()["scalars"]), sorted(wanted))
        for tag, points in wanted.items():
            events = found.Scalars(tag)
            self.assertEqual([event.step for event in events], [step for step, _ in points], tag)
            numpy.testing.assert_array_equal(numpy.float32([event.value for event in events]), [value for _, value in points], tag)
            times = [event.wall_time for event in events]
            self.assertEqual(times, sorted(times), tag)
        return found

    def test_it_reads_every_number_of_the_log(self):
        found = self.same_curves("one")
        self.assertEqual([event.step for event in found.Scalars("train/loss")], list(range(1, 21)))
        self.assertEqual([event.step for event in found.Scalars("validation/loss")], [10, 20])
        self.assertEqual(len(list(self.folder_of("one").iterdir())), 1)

    def test_it_reads_the_pictures(self):
        found = read(self.folder_of("one"))
        self.assertEqual(sorted(found.Tags()["images"]), ["pictures/reconstructions", "pictures/samples"])
        for kind in ("reconstructions", "samples"):
            events = found.Images(f"pictures/{kind}")
            self.assertEqual([event.step for event in events], [10, 20])
            for event in events:
                own = (self.run_path("one") / "pictures" / f"{kind}_{event.step:08d}.png").read_bytes()
                self.assertEqual(event.encoded_image_string, own)
                self.assertEqual((event.width, event.height), Image.open(io.BytesIO(own)).size)

    def test_it_reads_the_divergence_of_each_dimension(self):
        found = read(self.folder_of("one"))
        logged = {record["step"]: record["kld_per_dimension"] for record in self.log("one") if "kld_per_dimension" in record}
        self.assertEqual(found.Tags()["histograms"], ["validation/kld_per_dimension"])
        for event in found.Histograms("validation/kld_per_dimension"):
            values, histogram = logged.pop(event.step), event.histogram_value
            self.assertEqual((histogram.min, histogram.max, histogram.num), (min(values), max(values), len(values)))
            self.assertAlmostEqual(histogram.sum, sum(values))
            self.assertAlmostEqual(histogram.sum_squares, sum(value * value for value in values))
            edges = [-math.inf, *histogram.bucket_limit]
            self.assertEqual(list(histogram.bucket), [sum(low < value <= high for value in values) for low, high in zip(edges, edges[1:])])
        self.assertEqual(logged, {})

    def test_it_reads_the_configuration(self):
        found = read(self.folder_of("one"))
        text, = found.Tensors("configuration/text_summary")
        self.assertEqual(found.summary_metadata["configuration/text_summary"].plugin_data.plugin_name, "text")
        shown = tensor_util.make_ndarray(text.tensor_proto).item().decode()
        self.assertEqual(["    " + line for line in (self.run_path("one") / "config.yaml").read_text().splitlines()], shown.rstrip().splitlines())
        start = plugin_data_pb2.HParamsPluginData.FromString(found.summary_metadata["_hparams_/session_start_info"].plugin_data.content).session_start_info
        self.assertEqual(start.hparams["train.global_batch"].number_value, 16)
        self.assertEqual(start.hparams["model.name"].string_value, "vanilla_vae")
        self.assertIs(start.hparams["distributed.reproducible"].bool_value, False)
        self.assertEqual(start.hparams["distributed.reproducible"].WhichOneof("kind"), "bool_value")
        self.assertEqual(start.hparams["model.hidden_dims"].string_value, "[8, 16]")
        end = plugin_data_pb2.HParamsPluginData.FromString(found.summary_metadata["_hparams_/session_end_info"].plugin_data.content).session_end_info
        self.assertEqual(end.status, 1)

    def test_its_table_compares_the_hyperparameters_of_runs(self):
        self.train("two", "train.steps=10", "model.latent_dim=2", "objective.kld_weight.rule=fixed", "objective.kld_weight.weight=0.002", *WATCHED)
        runs = plugin_event_multiplexer.EventMultiplexer()
        for name in ("one", "two"):
            runs.AddRun(str(self.folder_of(name)), f"{name}/tensorboard")
        runs.Reload()
        context = backend_context.Context(TBContext(data_provider=data_provider.MultiplexerDataProvider(runs, str(self.folder))))
        request = RequestContext()
        experiment = context.experiment_from_metadata(request, "", True, context.hparams_metadata(request, ""), None)
        differing = {each.name for each in experiment.hparam_infos if each.differs}
        self.assertEqual(differing, {"run.name", "train.steps", "model.latent_dim", "objective.kld_weight.rule", "objective.kld_weight.weight"})
        measures = {each.name.tag for each in experiment.metric_infos}
        self.assertLessEqual({"train/loss", "validation/loss", "validation/kld"}, measures)

    def points(self, name):
        """The steps of the loss as TensorBoard sees them now."""
        found = read(self.folder_of(name))
        return [event.step for event in found.Scalars("train/loss")] if "train/loss" in found.Tags()["scalars"] else []

    def test_a_run_that_was_killed_goes_on_in_the_same_curves(self):
        self.train("killed", "train.steps=20", *WATCHED)
        process = self.start("train", "--config", "run.yaml", "run.name=killed", *SMALL, *WATCHED, "train.steps=100000", "checkpoint.every_steps=0", "checkpoint.keep_best=0",
                             output=subprocess.DEVNULL)
        self.addCleanup(end_process, process)
        self.wait_until(lambda: process.poll() is not None or self.points("killed")[-1] >= 35, HANGS_S, "step 35 in TensorBoard")
        self.assertIsNone(process.poll())
        process.kill()
        process.wait(timeout=HANGS_S)
        lost = self.points("killed")[-1]
        self.assertEqual(self.checkpoint("killed").name, "step_00000020")

        # Two of the lost steps come again, none after them.
        self.train("killed", *WATCHED, "train.steps=22")
        found = self.same_curves("killed")
        self.assertGreater(lost, 22)
        self.assertEqual([event.step for event in found.Scalars("train/loss")], list(range(1, 23)))
        self.assertEqual([event.step for event in found.Images("pictures/samples")], [10, 20, 22])
        self.assertEqual(len([path for path in self.folder_of("killed").iterdir() if path.stat().st_size > 0]), 1)

    def test_a_reader_that_watches_sees_what_one_that_comes_later_sees(self):
        self.train("watched", "train.steps=20", *WATCHED)
        watching = read(self.folder_of("watched"))
        self.train("watched", "train.steps=30", *WATCHED)
        watching.Reload()
        fresh = self.same_curves("watched")
        for tag in fresh.Tags()["scalars"]:
            self.assertEqual(watching.Scalars(tag), fresh.Scalars(tag), tag)
        self.assertEqual(len(watching.Images("pictures/samples")), 3)

    def test_it_can_be_left_out_and_made_up_for(self):
        self.train("late", "train.steps=20", "log.tensorboard=false", *WATCHED)
        self.assertFalse(self.folder_of("late").exists())
        self.train("late", "train.steps=30", "log.tensorboard=true", *WATCHED)
        found = self.same_curves("late")
        self.assertEqual([event.step for event in found.Scalars("train/loss")], list(range(1, 31)))

    def test_its_server_shows_a_run_that_goes_on(self):
        self.train("served", "train.steps=20", *WATCHED)
        said = self.folder / "tensorboard.txt"
        with open(said, "w") as output:
            server = subprocess.Popen([sys.executable, "-m", "tensorboard.main", "--logdir", "runs", "--port", "0", "--reload_interval", "1"], cwd=self.folder, stdout=output,
                                      stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.addCleanup(end_process, server)
        address = lambda: re.search(r"at (http://localhost:\d+/)", said.read_text())
        self.wait_until(lambda: server.poll() is not None or address(), HANGS_S, "the server's address")
        self.assertIsNone(server.poll(), said.read_text())

        def steps():
            try:
                answer = urllib.request.urlopen(f"{address()[1]}data/plugin/scalars/scalars?run=served%2Ftensorboard&tag=train%2Floss", timeout=HANGS_S)
            except urllib.error.HTTPError:  # it has not read the run yet
                return []
            return [step for _, step, _ in json.load(answer)]

        self.wait_until(lambda: server.poll() is not None or steps() == list(range(1, 21)), HANGS_S, "the run")
        self.train("served", "train.steps=30", *WATCHED)
        self.wait_until(lambda: server.poll() is not None or steps() == list(range(1, 31)), HANGS_S, "the rest of the run")
        self.assertIsNone(server.poll(), said.read_text())


if __name__ == "__main__":
    unittest.main()
