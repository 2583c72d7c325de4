"""`vae_dist bench`: tests its counts and sums, but not its speed."""
import json
import os
import subprocess
import sys
import unittest

import runs
from deadline import HANGS_S


class BenchFolder(runs.RunFolder):
    def bench(self, *arguments, np=None):
        done = self.program("bench", "--config", "run.yaml", *runs.SMALL, "--steps", "4", "--warm-up", "2", "--json", "bench.json", "--overwrite", *arguments, np=np, check=True)
        return done.stdout, json.loads((self.folder / "bench.json").read_text())


class Bench(BenchFolder):
    def test_tells_the_speed_and_where_a_step_goes(self):
        for np in (None, 2):
            with self.subTest(np=np):
                said, figures = self.bench("--profile", np=np)
                self.assertIn("samples/s", said)
                self.assertIn("Where the time of a step goes", said)
                self.assertEqual(figures["ranks"], np or 1)
                parts = figures["parts_seconds"]
                self.assertEqual(set(parts), {"data", "forward", "backward", "exchange", "optimizer", "other", "step"})
                self.assertAlmostEqual(sum(seconds for part, seconds in parts.items() if part != "step"), parts["step"], delta=1e-6 * parts["step"] + 1e-9)
                self.assertGreater(parts["backward"], 0)
                self.assertGreater(parts["forward"], 0)
                self.assertGreater(figures["operations_per_second"], 0)
                self.assertGreater(figures["peak_operations_per_second"], 0)

    def test_counts_the_same_operations_at_any_number_of_ranks(self):
        counts = []
        for np in (None, 2):
            _, figures = self.bench("distributed.replicas=2", np=np)
            counts.append(figures["operations_per_second"] * figures["global_batch"] / figures["samples_per_second"])
        self.assertAlmostEqual(counts[0], counts[1], delta=1e-9 * counts[0])

    def test_leaves_no_run_behind(self):
        self.bench("run.name=nothing")
        self.assertFalse(self.run_path("nothing").exists())

    def test_ranks_can_train_without_any_exchange(self):
        said, figures = self.bench("--no-exchange", np=2)
        self.assertFalse(figures["exchange"])
        self.assertIn("without exchange", said)
        self.assertNotIn("all-reduce wait", said)

    def test_writes_a_trace_with_the_parts_of_steps(self):
        self.bench("--trace", "trace.json", np=2)
        names = {event.get("name") for event in json.loads((self.folder / "trace.json").read_text())["traceEvents"]}
        self.assertLessEqual({"data", "forward", "backward", "exchange", "optimizer", "aten::convolution"}, names)

    def test_refuses_what_a_run_would_refuse(self):
        done = self.program("bench", "--config", "run.yaml", *runs.SMALL, "train.global_batch=7", np=2)
        self.assertEqual(done.returncode, 2)
        self.assertIn("global_batch", done.stderr)


class Preflight(BenchFolder):
    def test_looks_at_every_rank(self):
        said, figures = self.bench("--preflight", np=2)
        self.assertEqual([one["rank"] for one in figures["ranks"]], [0, 1])
        for one in figures["ranks"]:
            self.assertGreater(one["operations_per_second"], 0)
            self.assertGreater(one["read_bytes_per_second"], 0)
            self.assertGreater(one["neighbour_bytes_per_second"], 0)
            self.assertEqual(one["host_bytes_per_second"], 0)  # there is only one host
            self.assertRegex(one["device"], r"^CPU: cores? \d")
        self.assertGreater(figures["all_reduce_seconds"], 0)
        self.assertIn("all-reduce of", said)


class Scale(BenchFolder):
    def test_predicts_up_to_1024_ranks(self):
        said, figures = self.bench("--scale", np=8)
        self.assertEqual([point["ranks"] for point in figures["predicted"]], [2**i for i in range(11)])
        self.assertEqual(figures["left_out_ranks"], 4)
        self.assertEqual({one["ranks"] for one in figures["measured"]}, {2, 4, 8})
        cores = max(1, 8 / max(one["ranks_per_core"] for one in figures["measured"]))
        for one in figures["measured"]:
            self.assertAlmostEqual(one["ranks_per_core"], max(1, one["ranks"] / cores))
        for before, after in zip(figures["predicted"], figures["predicted"][1:]):
            self.assertLessEqual(after["efficiency"], before["efficiency"] + 1e-12)
            self.assertGreaterEqual(after["step_seconds"], figures["compute_seconds"])
        self.assertIn("which were left out of the fit, the model is off by", said)
        self.assertRegex(said, r"This table is predicted from measurements on 8 ranks, [^|]*\n ranks +all-reduce")
        self.assertEqual(figures["predicted_from"], "predicted from measurements on 8 ranks")
        self.assertEqual("are not bound to one each" in said, 8 > cores > 1)

    def test_one_rank_says_that_nothing_was_fitted(self):
        said, figures = self.bench("--scale")
        self.assertIn("One rank: no all-reduce was measured", said)
        self.assertIn("predicted from measurements on 1 rank,", said)
        self.assertNotIn("measured", figures)


class SideBySide(runs.RunFolder):
    def test_runs_everybody_in_turns(self):
        """Two short rounds of four programs."""
        script = runs.SOURCE / "tests" / "bench" / "side_by_side.sh"
        done = subprocess.run([script, "--pairs", "2", "--steps", "2", "--warm-up", "1", "--pictures", "256", "--only", "^ours, fp32|usually written, fp32", "--json", "all.json"], cwd=self.folder, text=True,
                              capture_output=True, timeout=HANGS_S, env={**os.environ, "VAE_DIST_BINARY": runs.BINARY, "VAE_DIST_PYTHON": sys.executable})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        figures = json.loads((self.folder / "all.json").read_text())
        self.assertEqual(set(figures), {"ours, fp32", "ours, fp32, no exchange", "ours, fp32, biases added", "rival, as usually written, fp32"})
        for name, told in figures.items():
            results = told["results"]
            self.assertEqual((len(results), told["failure"]), (2, ""), name)
            self.assertGreater(results[0]["samples_per_second"], 0)
            self.assertGreater(results[0]["peak_bytes_per_rank"], 1e7)
            self.assertEqual(results[0]["peak_device_bytes_per_rank"], 0)
        self.assertIn("of its speed without any exchange", done.stdout)
        self.assertIn("of its speed with the biases that batch norm cancels", done.stdout)
        self.assertRegex(done.stdout.splitlines()[0], r"\w.*:")  # the CPU

    def test_goes_on_without_a_rival_that_fails(self):
        """The rival alone gets a Python without torch, which fails like torch.compile without a compiler."""
        (self.folder / "torch.py").write_text("raise ImportError('there is no torch here')")
        script = runs.SOURCE / "tests" / "bench" / "side_by_side.sh"
        done = subprocess.run([script, "--pairs", "2", "--steps", "2", "--warm-up", "1", "--pictures", "256", "--only", "MLP, ours|MLP, rival, as usually"], cwd=self.folder, text=True,
                              capture_output=True, timeout=HANGS_S, env={**os.environ, "VAE_DIST_BINARY": runs.BINARY, "VAE_DIST_PYTHON": sys.executable, "PYTHONPATH": str(self.folder)})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"MLP, ours +[0-9.]+ ")
        self.assertRegex(done.stdout, r"MLP, rival, as usually written ended with 1: ")
        self.assertIn("there is no torch here", done.stdout)

    def test_goes_on_without_one_of_ours_that_fails_and_says_so(self):
        binary = self.folder / "no_bf16"
        binary.write_text(f'#!/bin/sh\ncase "$*" in *bf16*) echo there is no bf16 here >&2; exit 3 ;; esac\nexec {runs.BINARY} "$@"\n')
        binary.chmod(0o755)
        script = runs.SOURCE / "tests" / "bench" / "side_by_side.sh"
        done = subprocess.run([script, "--pairs", "1", "--steps", "2", "--warm-up", "1", "--pictures", "256", "--only", "^ours, (bf16|fp32)$", "--json", "ours.json"], cwd=self.folder, text=True,
                              capture_output=True, timeout=HANGS_S, env={**os.environ, "VAE_DIST_BINARY": str(binary), "VAE_DIST_PYTHON": sys.executable})
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"ours, bf16 ended with 3: ")
        figures = json.loads((self.folder / "ours.json").read_text())
        self.assertEqual({name: len(told["results"]) for name, told in figures.items()}, {"ours, fp32": 1, "ours, bf16": 0})
        self.assertIn("there is no bf16 here", figures["ours, bf16"]["failure"])

    def test_measures_at_least_500_steps_on_a_gpu(self):
        script = runs.SOURCE / "tests" / "bench" / "side_by_side.sh"
        done = subprocess.run([script, "--gpu", "--steps", "20"], cwd=self.folder, text=True, capture_output=True, timeout=HANGS_S,
                              env={**os.environ, "VAE_DIST_BINARY": runs.BINARY, "VAE_DIST_PYTHON": sys.executable})
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertIn("--gpu needs at least 500 steps", done.stderr)


if __name__ == "__main__":
    unittest.main()
