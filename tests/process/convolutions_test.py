"""train.convolutions: how a run's convolutions are computed is written down before its first step and kept when it goes on, also where another way would be chosen."""
import json
import pathlib
import unittest

from runs import RunFolder

COMMON = ["distributed.replicas=2", "distributed.reproducible=true"]
ANOTHER_CPU = {"ATEN_CPU_CAPABILITY": "avx2"}
# Keeps a CPU from its instructions for bf16.
WITHOUT_BF16 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
HAS_BF16 = "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text().split()


class Convolutions(RunFolder):
    IMAGES = ["--count", "64", "--size", "16", "--channels", "3"]

    def weights(self, name):
        return (self.checkpoint(name) / "weights.safetensors").read_bytes()

    def written(self, name):
        return json.loads((self.run_path(name) / "convolutions.json").read_text())

    def test_what_was_chosen_at_the_start_decides_when_a_run_goes_on(self):
        self.train("whole", *COMMON, "train.steps=6")
        chosen = self.written("whole")
        self.assertIsNone(chosen["forced"])
        self.assertTrue(chosen["by_shape"])

        self.train("stopped", *COMMON, "train.steps=3")
        self.assertEqual(self.written("stopped"), chosen)
        # Another machine, where nothing is chosen anew.
        self.train("stopped", *COMMON, "train.steps=4", np=2, env=ANOTHER_CPU)
        self.assertEqual(self.written("stopped"), chosen)

        # The file decides: with other ways in it, the same steps have other bits.
        another = "products" if all(set(ways.values()) == {"onednn"} for ways in chosen["by_shape"].values()) else "onednn"
        self.train("changed", *COMMON, "train.steps=3")
        other = {"forced": None, "by_shape": {shape: dict.fromkeys(ways, another) for shape, ways in chosen["by_shape"].items()}}
        (self.run_path("changed") / "convolutions.json").write_text(json.dumps(other))
        self.train("unchanged", *COMMON, "train.steps=3")
        for name in ("changed", "unchanged"):
            self.train(name, *COMMON, "train.steps=6", np=2)
        self.assertEqual(self.weights("unchanged"), self.weights("whole"))
        self.assertNotEqual(self.weights("changed"), self.weights("whole"))
        self.assertEqual(self.written("changed"), other)

    def test_each_way_gives_the_same_bits_at_any_number_of_ranks(self):
        """More ranks than cores, too."""
        seen = {}
        for way in ("onednn", "products", "direct"):
            with self.subTest(way):
                common = ["distributed.replicas=4", "distributed.reproducible=true", f"train.convolutions={way}", "train.steps=3"]
                for np in (1, 2, 4):
                    self.train(f"{way}_{np}", *common, np=np)
                self.assertEqual({self.weights(f"{way}_{np}") for np in (1, 2, 4)}, {self.weights(f"{way}_1")})
                self.assertEqual(self.written(f"{way}_4"), {"forced": way, "by_shape": {}})
                seen[way] = self.losses(f"{way}_1")
        for way in ("products", "direct"):
            for ours, theirs in zip(seen[way], seen["onednn"]):
                self.assertAlmostEqual(ours, theirs, delta=1e-4 * abs(theirs))

    def test_bf16_has_the_same_bits_at_any_number_of_ranks(self):
        """By the CPU's instructions for it, if it has them, and rounded."""
        for name, env, ways in (("own", None, ("onednn", "direct")), ("rounded", WITHOUT_BF16, ("products", "direct"))):
            losses = []
            for way in ways:
                with self.subTest(name, way=way):
                    common = ["distributed.replicas=4", "distributed.reproducible=true", "train.precision=bf16", f"train.convolutions={way}", "train.steps=3"]
                    for np in (1, 2, 4):
                        self.train(f"{name}_{way}_{np}", *common, np=np, env=env)
                    self.assertEqual({self.weights(f"{name}_{way}_{np}") for np in (1, 2, 4)}, {self.weights(f"{name}_{way}_1")})
                    losses.append(self.losses(f"{name}_{way}_1"))
            for ours, theirs in zip(*losses):
                self.assertAlmostEqual(ours, theirs, delta=0.01 * abs(theirs))

    @unittest.skipUnless(HAS_BF16, "the CPU has no instructions for bf16")
    def test_a_run_in_bf16_that_wrote_no_choice_goes_on_with_torchs(self):
        """As those did that were begun when convolutions had no ways in bf16."""
        common = [*COMMON, "train.precision=bf16"]
        self.train("old", *common, "train.steps=3")
        (self.run_path("old") / "convolutions.json").unlink()
        self.train("old", *common, "train.steps=6", np=2)
        self.assertEqual(self.written("old"), {"forced": "onednn", "by_shape": {}})


if __name__ == "__main__":
    unittest.main()
