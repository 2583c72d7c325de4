"""Volumes that take more memory than a run may have are streamed."""
import os
import pathlib
import unittest
import zlib

import h5py
import numpy

from runs import RunFolder

MEMORY = pathlib.Path("/sys/fs/cgroup/memory") if pathlib.Path("/sys/fs/cgroup/memory").is_dir() else pathlib.Path("/sys/fs/cgroup")
LIMIT = 3 << 29  # 1.6 GB


class LargeVolumes(RunFolder):
    SAMPLES, SHAPE = 400, (4, 64, 64, 64)  # 1.7 GB decoded

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        volume = numpy.random.default_rng(3).integers(0, 4, cls.SHAPE).astype("<f4")
        for name, chunk in (("alone", 1), ("together", 4)):
            with h5py.File(cls.folder / f"{name}.h5", "w") as file:
                whole = zlib.compress(chunk * volume.tobytes(), 1)
                dataset = file.create_dataset("x", (cls.SAMPLES, *cls.SHAPE), "<f4", chunks=(chunk, *cls.SHAPE), compression=1)
                for first in range(0, cls.SAMPLES, chunk):
                    dataset.id.write_direct_chunk((first, 0, 0, 0, 0), whole)

    def limited(self, limit):
        """A control group with this memory limit. Skips the test where this user may not make one."""
        group = MEMORY / f"vae_dist_test_{os.getpid()}"
        try:
            group.mkdir()
            self.addCleanup(group.rmdir)
            file = next(file for file in (group / "memory.limit_in_bytes", group / "memory.max") if file.exists())
        except (OSError, StopIteration):
            self.skipTest("not run: this user may not create a cgroup with a memory limit")
        file.write_text(str(limit))
        return group

    def test_a_file_larger_than_the_memory_limit_trains(self):
        self.assertGreater(392 * 4 * 4 * 64**3, LIMIT)
        group = self.limited(LIMIT)
        command = ["sh", "-c", f'echo $$ > "{group}/cgroup.procs"; exec "$@"', "sh"]
        for name in ("alone", "together"):
            with self.subTest(chunks=name):
                done = self.start("train", "--config", "run.yaml", f"run.name={name}", "model={name: mlp_vae, hidden_dims: [], latent_dim: 2}", "train={global_batch: 8, steps: 12}",
                                  f"data.train={{file: {name}.h5, dataset: x, layout: NCDHW, rows: [0, 392]}}", f"data.validation={{file: {name}.h5, dataset: x, layout: NCDHW, rows: [392, 400]}}", "data.normalize=none", "metrics.port=null", "pictures.every_epochs=0",
                                  "evaluate.every_epochs=0", "evaluate.batch=8", "log.every_steps=1", "distributed.device=cpu", "distributed.threads_per_rank=1",
                                  launcher=lambda _, arguments: [*command, *arguments])
                said, _ = done.communicate()
                self.assertEqual(done.returncode, 0, said)
                self.assertEqual(len(self.losses(name)), 12)


if __name__ == "__main__":
    unittest.main()
