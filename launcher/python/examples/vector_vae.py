"""Encoder and decoder of vectors [N, V] in two files, under a condition if there is one:

    python vector_vae.py encoder.pt decoder.pt --values 100
    vae_dist --config my.yaml model.name=script model.encoder=encoder.pt model.decoder=decoder.pt model.latent_dim=8
"""
import argparse

import torch
from torch import Tensor, nn


class Encoder(nn.Module):
    def __init__(self, values: int, condition: int, width: int, latent_dim: int):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(values + condition, width), nn.LayerNorm(width), nn.GELU(), nn.Linear(width, width), nn.GELU())
        self.heads = nn.Linear(width, 2 * latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu, log_var = self.heads(self.body(x)).chunk(2, 1)
        return mu, log_var


class Decoder(nn.Sequential):
    def __init__(self, values: int, condition: int, width: int, latent_dim: int):
        super().__init__(nn.Linear(latent_dim + condition, width), nn.GELU(), nn.Linear(width, values))


class UnderCondition(nn.Module):
    """Half a network that reads a condition [B, Y] beside its own input."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, x: Tensor, y: Tensor):
        return self.body(torch.cat([x, y], 1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder")
    parser.add_argument("decoder")
    parser.add_argument("--values", type=int, required=True)
    parser.add_argument("--condition", type=int, default=0, help="numbers of the condition (a class counts as many as there are classes)")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--latent-dim", type=int, default=8)
    chosen = parser.parse_args()
    torch.manual_seed(0)
    for kind, out in ((Encoder, chosen.encoder), (Decoder, chosen.decoder)):
        half = kind(chosen.values, chosen.condition, chosen.width, chosen.latent_dim)
        torch.jit.script(UnderCondition(half) if chosen.condition else half).save(out)
