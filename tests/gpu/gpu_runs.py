"""Extends tests/process/runs.py to training runs whose ranks share one GPU."""
from runs import RunFolder

# These come later on the command line and override runs.SMALL, which selects the CPU.
ON_GPU = ["distributed.device=cuda", "distributed.share_gpu=true"]


class GpuRunFolder(RunFolder):
    @classmethod
    def train_on_gpu(cls, name, *overrides, np=1, **options):
        """Trains on the shared GPU. The ranks get time slices of a few milliseconds, so every step is slow, and the first one even slower."""
        return cls.train(name, *ON_GPU, *overrides, np=np, **options)
