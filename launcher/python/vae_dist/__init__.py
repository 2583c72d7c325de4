"""Variational autoencoders that vae_dist has trained, as PyTorch modules; their logs as tables.

    import vae_dist
    model = vae_dist.load("runs/moving")          # a torch.nn.Module in evaluation mode
    mu, log_var = model.encode(x)
    pictures = model.sample(16)
    curves = vae_dist.metrics("runs/moving")
"""
from vae_dist.checkpoint import Checkpoint, read_checkpoint
from vae_dist.conditions import CONDITIONS
from vae_dist.likelihoods import LIKELIHOODS
from vae_dist.model import Posterior, TrainedModel, load
from vae_dist.networks import NETWORKS
from vae_dist.normalisation import TRANSFORMS
from vae_dist.records import metrics, runs

__version__ = "0.1.0"
__all__ = ["CONDITIONS", "LIKELIHOODS", "NETWORKS", "TRANSFORMS", "Checkpoint", "Posterior", "TrainedModel", "load", "metrics", "read_checkpoint", "runs"]
