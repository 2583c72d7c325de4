"""configs/big.yaml as the README starts it: `mpirun -np 8 vae_dist --config configs/big.yaml`, where only the size of the data, the number of
steps and the batch are smaller."""
import contextlib
import os
import pathlib
import re
import time
import unittest

from runs import BINARY, SOURCE, RunFolder

# More ranks than cores, as on the command line of nobody who has eight GPUs.
OVERSUBSCRIBE = {"OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_hwloc_base_binding_policy": "none", "OMPI_MCA_mpi_yield_when_idle": "1"}
SMALLER = ["train.steps=2", "train.global_batch=16"]
# What makes many runs of it quick: smaller pictures, and no other figures than those of the steps.
QUICK = ["data.resize=16", "model.attention_at=[2]", "model.hidden_dims=[8, 16, 16, 16]", "evaluate.every_epochs=0", "pictures.every_epochs=0", "log.every_steps=1", "train.steps=5",
         "train.global_batch=16", "distributed.reproducible=true", "metrics.port=null"]


class Big(RunFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.folder / "configs").symlink_to(SOURCE / "configs")
        (cls.folder / "data").mkdir()
        # The first command of its comment: `data make-shapes ...`.
        comment = next(line for line in (SOURCE / "configs/big.yaml").read_text().splitlines() if "data make-shapes" in line)
        made = comment.removeprefix("#   build/vae_dist ").split("   ")[0].split()
        made[made.index("--count") + 1] = "200"
        cls.program(*made, check=True)

    def test_eight_ranks_train_it_literally(self):
        path = f"{pathlib.Path(BINARY).parent}{os.pathsep}{os.environ['PATH']}"
        largest = {}
        with open(self.folder / "output.txt", "w") as output:
            process = self.start("--config", "configs/big.yaml", *SMALLER, launcher=lambda np, command: ["mpirun", "-np", "8", "vae_dist", *command[1:]],
                                 env={**OVERSUBSCRIBE, "PATH": path}, output=output)
            while process.poll() is None:
                for pid in process.ranks().values():
                    with contextlib.suppress(OSError, TypeError):  # it has just ended
                        largest[pid] = int(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024
                time.sleep(0.2)
        said = (self.folder / "output.txt").read_text()
        self.assertEqual(process.returncode, 0, said)
        print("the ranks took at most", ", ".join(f"{size / 2**20:.0f}" for size in sorted(largest.values())), "MiB")
        self.assertEqual(len(largest), 8)
        self.assertLess(sum(largest.values()), 16 << 30)
        self.assertRegex(said, r"ranks +8, replicas R = 8")
        self.assertRegex(said, r"order +R = 8 (fixed sections|sections dealt anew)")
        self.assertRegex(said, r"validation data +2 of the training images \(0\.01\)")
        # M_N follows the global batch: 0.00025 at 1024.
        self.assertAlmostEqual(self.log("big")[0]["kld_weight"], 0.00025 * 16 / 1024)
        self.assertEqual([record["evaluated"] for record in self.log("big") if "evaluated" in record], ["validation"])

    def test_its_meaning_is_the_same_at_any_number_of_ranks(self):
        for np in (1, 2, 4, 8):
            self.program("--config", "configs/big.yaml", f"run.name=np_{np}", *QUICK, np=np, check=True)
            self.assertEqual(self.losses(f"np_{np}"), self.losses("np_1"))
            self.assertEqual((self.checkpoint(f"np_{np}", 5) / "weights.safetensors").read_bytes(), (self.checkpoint("np_1", 5) / "weights.safetensors").read_bytes())


if __name__ == "__main__":
    unittest.main()
