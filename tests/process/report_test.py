"""`vae_dist report`: the page of one run, and of several runs."""
import base64
import hashlib
import json
import math
import os
import re
import shutil
import unittest

from html_check import Document
from runs import RunFolder


class Report(RunFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.write_config("run.yaml", "run: {name: run}\ndata: {train: {file: shapes.h5, dataset: imgs, rows: [0, 160]}, validation: {file: shapes.h5, dataset: imgs, rows: [160, 200]}}\n")
        cls.train("one", "train.steps=40", "evaluate.every_epochs=1", "pictures.every_epochs=1", "pictures.samples=8", "pictures.reconstructions=8")
        cls.train("two", "train.steps=20", "evaluate.every_epochs=1", "objective.kld_weight.rule=fixed", "objective.kld_weight.weight=0.002")

    def report(self, *arguments, **options):
        return self.program("report", *arguments, check=True, **options)

    def page(self, path):
        text = (self.folder / path).read_text(encoding="utf-8")
        document = Document(text)
        self.assertEqual(document.problems, [])
        self.assertEqual(len(document.ids), len(set(document.ids)))
        self.assertTrue(text.startswith("<!DOCTYPE html>"))
        return document

    def copy_of(self, name, copy):
        shutil.copytree(self.run_path(name), self.run_path(copy))
        self.addCleanup(shutil.rmtree, self.run_path(copy))
        return self.run_path(copy)

    def test_shows_the_run_on_one_page(self):
        done = self.report("runs/one/")
        self.assertEqual(done.stdout, "the report is runs/one/report.html\n")
        page = self.page("runs/one/report.html")
        words = page.words()
        last = [record for record in self.log("one") if "evaluated" in record][-1]
        self.assertIn("Steps 40 epoch", words)
        shown = re.search(r" Loss ([\d.]+) on validation data", words).group(1)
        self.assertTrue(math.isclose(float(shown), last["evaluation_loss"], rel_tol=1e-3))
        for title in ("Loss", "Reconstruction loss", "KL divergence", "Gradient norm, before clipping", "Throughput, all ranks together", "Where the time of a step goes"):
            self.assertIn(title, words)
        self.assertGreaterEqual(len([svg for svg in page.all("svg") if svg.get("role") == "img"]), 7)

    def test_a_run_keeps_its_page_and_tells_what_it_ran_on(self):
        self.train("kept", "train.steps=20", "evaluate.every_epochs=1", np=2)
        words = self.page("runs/kept/report.html").words()
        self.assertIn("Steps 20 epoch", words)
        self.assertIn("(2 ranks)", words)
        self.assertIn("rank 1", words)
        self.assertIn("dimensions carry more than 0.1 nats.", words)
        first = json.loads((self.run_path("kept") / "environment.json").read_text())
        self.assertEqual((first["ranks"], first["restarts"]), (2, 0))

        self.train("kept", "train.steps=40", "evaluate.every_epochs=1", np=2)
        self.assertIn("Steps 40 epoch", self.page("runs/kept/report.html").words())
        self.assertEqual(json.loads((self.run_path("kept") / "environment.json").read_text())["restarts"], 1)
        (last,) = [record["ranks"] for record in self.log("kept") if "ranks" in record and record["step"] == 40]
        self.assertEqual([times["rank"] for times in last], [0, 1])
        for times in last:
            self.assertGreater(times["step_seconds"], times["data_wait_seconds"] + times["allreduce_wait_seconds"])
            self.assertGreaterEqual(times["allreduce_wait_seconds"], 0)
        dimensions = [record["kld_per_dimension"] for record in self.log("kept") if "evaluated" in record][-1]
        total = [record["evaluation_kld"] for record in self.log("kept") if "evaluated" in record][-1]
        self.assertEqual(len(dimensions), 4)
        self.assertTrue(math.isclose(sum(dimensions), total, rel_tol=1e-5))

    def test_a_page_that_cannot_be_written_ends_no_run(self):
        (self.run_path("blocked") / "report.html").mkdir(parents=True)
        done = self.train("blocked", "train.steps=20", "evaluate.every_epochs=1")
        self.assertEqual(done.stderr.count("report.html was not written"), 1, done.stderr)

    def test_holds_every_picture_and_needs_no_other_file(self):
        self.report("runs/one")
        page = self.page("runs/one/report.html")
        shown = {base64.b64decode(image["src"].removeprefix("data:image/png;base64,")): image["alt"] for image in page.all("img")}
        files = sorted((self.run_path("one") / "pictures").glob("*.png"))
        self.assertEqual(len(files), 8)
        for file in files:
            self.assertEqual(shown[file.read_bytes()], f"step {int(file.stem.split('_')[1])}")
        for tag, attributes in page.elements:
            for name in ("src", "href", "xlink:href", "srcset", "action"):
                self.assertRegex(attributes.get(name, "#"), r"^(data:|#)", tag)
            self.assertFalse([name for name in attributes if name.startswith("on")], tag)

    def test_allows_the_browser_its_own_script_alone(self):
        self.report("runs/one")
        page = self.page("runs/one/report.html")
        policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
        self.assertEqual(len(page.scripts), 1)
        digest = base64.b64encode(hashlib.sha256(page.scripts[0].encode()).digest()).decode()
        self.assertIn(f"script-src 'sha256-{digest}'", policy)
        self.assertTrue(policy.startswith("default-src 'none'"))

    def test_marks_what_differs_from_the_default(self):
        self.report("runs/two")
        page = self.page("runs/two/report.html")
        text = (self.folder / "runs/two/report.html").read_text()
        marked = re.findall(r'<tr class="marked"><td><code>(.*?)</code>', text)
        keys = {key.replace("<wbr>", "") for key in marked}
        self.assertLessEqual({"run.name", "model.hidden_dims", "objective.kld_weight.weight", "train.steps", "log.every_steps"}, keys)
        self.assertNotIn("train.optimizer.learning_rate", keys)
        differing, total = map(int, re.search(r"(\d+) of (\d+) keys differ", page.words()).groups())
        self.assertEqual(differing, len(keys))
        rows = re.findall(r"<tr(?: class=\"marked\")?><td><code>(.*?)</code><div", text)
        self.assertEqual(len(rows), total + differing, "all of them, and above them those that differ")
        self.assertEqual(len(set(rows)), total)

    def test_lays_several_runs_over_each_other(self):
        done = self.report("runs/one", "runs/two", "--out", "both.html")
        self.assertEqual(done.stdout, "the report is both.html\n")
        page = self.page("both.html")
        self.assertIn("one, two", page.words())
        text = (self.folder / "both.html").read_text()
        self.assertIn('<span class="key c0"></span>one</li>', text)
        self.assertIn('<span class="key c1"></span>two</li>', text)
        self.assertIn('<tr class="marked"><td><code>objective.<wbr>kld_<wbr>weight.<wbr>weight</code></td><td><code>0.00025</code></td><td><code>0.002</code></td>', text)

    def test_tells_runs_of_one_name_apart(self):
        (self.folder / "elsewhere").mkdir()
        self.addCleanup(shutil.rmtree, self.folder / "elsewhere")
        shutil.copytree(self.run_path("two"), self.folder / "elsewhere" / "two")
        self.report("runs/two", "elsewhere/two", "--out", "same.html")
        self.assertIn("runs/two, elsewhere/two", self.page("same.html").words())

    def test_shows_the_environment_the_ranks_and_the_dimensions_where_the_run_has_them(self):
        run = self.copy_of("two", "rich")
        (run / "environment.json").write_text(json.dumps({"torch": "2.11.0", "hosts": "node1, <node2>"}))
        with open(run / "metrics.jsonl", "a") as log:
            log.write(json.dumps({"step": 20, "ranks": [{"rank": r, "host": f"n{r}", "step_seconds": 0.1, "data_wait_seconds": 0.01, "allreduce_wait_seconds": 0.02} for r in range(3)]}) + "\n")
            log.write(json.dumps({"step": 20, "epoch": 2, "evaluated": "validation", "evaluation_loss": 0.1, "kld_per_dimension": [0.5, 2.5, 0.001, 1]}) + "\n")
        self.report("runs/rich")
        self.page("runs/rich/report.html")
        text = (run / "report.html").read_text()
        self.assertIn("<td>hosts</td><td>node1, &lt;node2&gt;</td>", text)
        self.assertIn("<title>rank 2 (n2), waiting for data: 10</title>", text)
        self.assertIn("<title>z1: 2.5</title>", text)
        self.assertIn("3 of 4 dimensions carry more than 0.1 nats.", text)

    def test_stays_light_with_a_hundred_thousand_steps_and_hundreds_of_pictures(self):
        run = self.copy_of("one", "long")
        record = next(r for r in self.log("one") if "loss" in r)
        with open(run / "metrics.jsonl", "w") as log:
            for step in range(1, 100001):
                record.update(step=step, loss=1 / step + step * 7919 % 100 / 1e4, kld=None if step % 5000 == 0 else 5.0)
                log.write(json.dumps(record) + "\n")
        picture = next((run / "pictures").glob("samples_*")).read_bytes()
        for step in range(1, 301):
            (run / "pictures" / f"samples_{step:08d}.png").write_bytes(picture)
        (run / "pictures" / "samples_00000150.png").write_bytes(b"")
        self.report("runs/long")
        page = self.page("runs/long/report.html")
        self.assertLess((run / "report.html").stat().st_size, 300000 + 4 * 20 * len(picture))
        self.assertIn("step 300", [image["alt"] for image in page.all("img")], "the newest")
        self.assertIn("more in runs/long/pictures", page.words())

    def test_shows_a_run_of_another_version_without_its_configuration(self):
        run = self.copy_of("two", "old")
        (run / "config.yaml").write_text("run: {name: old}\nno_such: 1\n")
        self.report("runs/old")
        self.assertIn("config.yaml:2: unknown key 'no_such'", self.page("runs/old/report.html").words())

    def test_lets_no_name_become_markup(self):
        evil = "<img src=x onerror=alert(1)>"
        run = self.copy_of("two", evil)
        with open(run / "metrics.jsonl", "a") as log:
            log.write(json.dumps({"step": 20, "epoch": 2, "evaluated": evil, evil: 1.0}) + "\n")
            log.write(json.dumps({"step": 21, evil: 1.0}) + "\n" + json.dumps({"step": 22, evil: 2.0}) + "\n")
        self.report(f"runs/{evil}")
        page = self.page(f"runs/{evil}/report.html")
        self.assertEqual(page.all("img"), [])
        self.assertIn(evil, page.words())

    def test_refuses_what_is_no_run(self):
        os.mkdir(self.folder / "empty")
        self.addCleanup(os.rmdir, self.folder / "empty")
        for arguments, named in [(["empty"], "empty is not a run directory: it has no metrics.jsonl"), (["runs/none"], "runs/none is not a run directory"), ([], "runs"),
                                 (["runs/one", "--out", "runs/one/metrics.jsonl/report.html"], "cannot create the folder runs/one/metrics.jsonl")]:
            with self.subTest(arguments=arguments):
                done = self.program("report", *arguments)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(named, done.stderr)

    def test_is_written_once_under_mpirun(self):
        self.assertEqual(self.report("runs/two", np=2).stdout, "the report is runs/two/report.html\n")


if __name__ == "__main__":
    unittest.main()
