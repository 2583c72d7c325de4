"""A convolutional VAE with a look of a U-Net: each level of the encoder also speaks to the code, through a mean over its positions; with batch norm and dropout.

    python unet_vae.py unet.pt --channels 3 --size 64
    vae_dist --config configs/shapes.yaml model.name=script model.encoder=unet.pt model.decoder=unet.pt model.latent_dim=32

Dropout draws from torch's default generator, which the program seeds for each replica of a step: the run has the same bits on any number of ranks, if that is asked for.
"""
import argparse

import torch
from torch import Tensor, nn


class Level(nn.Module):
    def __init__(self, before: int, after: int, dropout: float):
        super().__init__()
        self.norm = nn.BatchNorm2d(after)
        # Batch norm subtracts the mean, so a bias would have no effect.
        self.first = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.second = nn.Conv2d(after, after, 3, padding=1)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(self.dropout(torch.relu(self.norm(self.first(x))))))


class UnetVae(nn.Module):
    def __init__(self, channels: int, size: int, latent_dim: int, widths: list[int], dropout: float):
        super().__init__()
        if size % 2 ** (len(widths) - 1):
            raise ValueError(f"the size must be divisible by {2 ** (len(widths) - 1)}")
        self.down = nn.ModuleList(Level(before, after, dropout) for before, after in zip([channels, *widths], widths))
        self.side, self.deepest = size // 2 ** (len(widths) - 1), widths[-1]
        code = sum(widths) + self.deepest * self.side ** 2
        self.to_mu, self.to_log_var = nn.Linear(code, latent_dim), nn.Linear(code, latent_dim)
        self.from_z = nn.Linear(latent_dim, self.deepest * self.side ** 2)
        outward = widths[::-1]
        self.up = nn.ModuleList(Level(before, after, dropout) for before, after in zip([self.deepest, *outward], outward))
        self.out = nn.Conv2d(widths[0], channels, 1)

    @torch.jit.export
    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        means = []
        for i, level in enumerate(self.down):
            if i > 0:
                x = nn.functional.avg_pool2d(x, 2)
            x = level(x)
            means.append(x.mean([2, 3]))
        code = torch.cat([torch.cat(means, 1), x.flatten(1)], 1)
        return self.to_mu(code), self.to_log_var(code)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        x = self.from_z(z).view(-1, self.deepest, self.side, self.side)
        for i, level in enumerate(self.up):
            if i > 0:
                x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = level(x)
        return torch.sigmoid(self.out(x))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--latent-dim", type=int, default=32)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--dropout", type=float, default=0.1)
    chosen = parser.parse_args()
    torch.manual_seed(0)
    torch.jit.script(UnetVae(chosen.channels, chosen.size, chosen.latent_dim, chosen.widths, chosen.dropout)).save(chosen.out)
