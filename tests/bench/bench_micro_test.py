"""All micro-benchmarks run. Their speed does not decide whether the test passes."""
import json
import os
import pathlib
import re
import subprocess
import unittest

README = (pathlib.Path(os.environ["VAE_DIST_SOURCE"]) / "tests/bench/README.md").read_text()

# Without their arguments.
EXPECTED = {
    "loader/memory", "loader/streamed", "loader/batch_without_thread", "bucket_plan", "all_reduce/fast", "all_reduce/tree", "all_reduce/bf16",
    "likelihood/gaussian_fixed", "likelihood/gaussian_learned", "likelihood/gaussian_optimal", "likelihood/gaussian_predicted", "likelihood/gaussian_predicted_shared", "likelihood/bernoulli",
    "likelihood/discretized_logistic", "kl/plain", "kl/free_bits", "objective/gaussian_mean", "objective/gaussian_sum", "objective/bernoulli_sum",
    "optimizer/adam", "optimizer/adamw", "optimizer/adamax", "optimizer/sgd", "batch_norm_and_leaky_relu", "group_norm_and_silu/fused", "group_norm_and_silu/torch", "noise/uniform", "noise/normal",
}


class MicroBenchmarks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        done = subprocess.run([os.environ["VAE_DIST_BENCH_MICRO"], "--benchmark_min_time=0.0001", "--benchmark_format=json"], text=True, capture_output=True, timeout=1200)
        if done.returncode != 0:
            raise AssertionError(f"bench_micro ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        cls.ran = json.loads(done.stdout)["benchmarks"]

    def test_each_of_them_runs_and_none_else(self):
        self.assertEqual({re.sub(r"(/(\w+:)\d+|/real_time)+$", "", one["name"]) for one in self.ran}, EXPECTED)
        for one in self.ran:
            with self.subTest(one["name"]):
                self.assertFalse(one.get("error_occurred", False))
                self.assertGreaterEqual(one["iterations"], 1)

    def test_the_readme_names_none_that_is_not_there(self):
        names = {one["name"] for one in self.ran}
        table = re.search(r"(?ms)^\| micro-benchmark \|.*?\n\n", README)[0]
        named = re.findall(r"(?m)^\| `([^`]+)`", table)
        self.assertGreater(len(named), 5)
        self.assertLessEqual(set(named), names)


if __name__ == "__main__":
    unittest.main()
