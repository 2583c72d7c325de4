"""PyTorch-VAE's VanillaVAE as a network of your own:

    python vanilla_vae.py vanilla_vae.pt --channels 3 --size 64
    vae_dist --config configs/shapes.yaml model.name=script model.encoder=vanilla_vae.pt model.decoder=vanilla_vae.pt

The program's vanilla_vae is the same network; its checkpoints have the same names.
"""
import argparse

import torch
from torch import Tensor, nn


class VanillaVae(nn.Module):
    def __init__(self, channels: int, size: int, latent_dim: int, widths: list[int]):
        super().__init__()
        self.sizes = [size]
        for _ in widths:
            self.sizes.append((self.sizes[-1] + 1) // 2)
        self.encoder = nn.Sequential(*(self.block(nn.Conv2d(before, after, 3, stride=2, padding=1), after)
                                       for before, after in zip([channels, *widths], widths)))
        code = widths[-1] * self.sizes[-1] ** 2
        self.fc_mu, self.fc_var = nn.Linear(code, latent_dim), nn.Linear(code, latent_dim)
        self.decoder_input = nn.Linear(latent_dim, code)
        outward = widths[::-1]
        self.decoder = nn.Sequential(*(self.block(self.upsampling(before, after, level), after)
                                       for level, (before, after) in enumerate(zip(outward, outward[1:]))))
        last = outward[-1]
        self.final_layer = nn.Sequential(self.upsampling(last, last, len(widths) - 1), nn.BatchNorm2d(last), nn.LeakyReLU(),
                                         nn.Conv2d(last, channels, 3, padding=1), nn.Sigmoid())
        self.deepest, self.side = widths[-1], self.sizes[-1]
        # Batch norm subtracts the mean, and the bias with it: its gradient is rounding noise, which Adam turns into full steps.
        for part in [*self.encoder, *self.decoder, self.final_layer]:
            part[0].bias.requires_grad_(False)

    def upsampling(self, before: int, after: int, level: int) -> nn.ConvTranspose2d:
        """To the size that the encoder had at this level: without output padding, n becomes 2 n - 1."""
        wanted = self.sizes[-2 - level]
        return nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=(wanted + 1) % 2)

    @staticmethod
    def block(convolution: nn.Module, channels: int) -> nn.Sequential:
        return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.LeakyReLU())

    @torch.jit.export
    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        code = self.encoder(x).flatten(1)
        return self.fc_mu(code), self.fc_var(code)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        code = self.decoder_input(z).view(-1, self.deepest, self.side, self.side)
        return self.final_layer(self.decoder(code))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--latent-dim", type=int, default=128)
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 128, 256, 512])
    chosen = parser.parse_args()
    torch.manual_seed(0)
    torch.jit.script(VanillaVae(chosen.channels, chosen.size, chosen.latent_dim, chosen.widths)).save(chosen.out)
