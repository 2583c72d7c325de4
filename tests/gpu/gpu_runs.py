"""Trainings on a GPU that all ranks share, beside tests/process/runs.py."""
from runs import RunFolder

# Later overrides win over runs.SMALL, which is for the CPU.
ON_GPU = ["distributed.device=cuda", "distributed.share_gpu=true"]


class GpuRunFolder(RunFolder):
    @classmethod
    def train_on_gpu(cls, name, *overrides, np=1, **options):
        """Ranks that share a GPU take turns on it, a few milliseconds each: everything is slow, and a first step slower."""
        return cls.train(name, *ON_GPU, *overrides, np=np, **options)
