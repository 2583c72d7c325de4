"""Vector quantisation of a latent (van den Oord et al. 2017: VQ-VAE): each of its vectors is replaced by the nearest one of a codebook."""
import torch
from torch import Tensor, nn


class VectorQuantizer(nn.Module):
    """A codebook that a run has learned. It stays as it is here: that the codes follow the vectors which are assigned to them is part of the program's
    training, whose moving averages come along as buffers.

    The latent is rows [B, channels * positions], in which the positions of a channel lie side by side. A position has `groups` vectors.
    """

    codebook: Tensor
    """[size, channels / groups]"""

    def __init__(self, size: int, groups: int, channels: int, positions: int):
        super().__init__()
        if channels % groups:
            raise ValueError(f"the {channels} values of a position cannot be cut into {groups} vectors of equal size (model.codes.groups)")
        self.size, self._groups, self._width, self._positions = size, groups, channels // groups, positions
        for name, values in (("codebook", torch.zeros(size, self._width)), ("counts", torch.ones(size)), ("sums", torch.zeros(size, self._width)), ("unused_steps", torch.zeros(size))):
            self.register_buffer(name, values)

    @property
    def vectors(self) -> int:
        """Of a sample."""
        return self._groups * self._positions

    def codes_of(self, z: Tensor) -> Tensor:
        """The number of the nearest code of each vector of z: [B, vectors], int64. The positions of a group lie side by side."""
        rows = z.reshape(-1, self._groups, self._width, self._positions).transpose(2, 3).reshape(-1, self._width)
        # |z - e|^2 / 2 = |z|^2 / 2 - z e + |e|^2 / 2, where the first term is the same for all codes.
        nearest = (self.codebook.square().sum(1) / 2 - rows @ self.codebook.t()).argmin(1)
        return nearest.view(-1, self.vectors)

    def latents_of(self, codes: Tensor) -> Tensor:
        """The vectors of codes, [B, vectors], as a latent."""
        vectors = self.codebook.index_select(0, codes.reshape(-1)).view(-1, self._groups, self._positions, self._width)
        return vectors.transpose(2, 3).reshape(-1, self._groups * self._width * self._positions)

    def forward(self, z: Tensor) -> Tensor:
        """Each vector's code in its place. Gradients pass as if nothing was replaced (there, section 3.2)."""
        quantized = self.latents_of(self.codes_of(z.detach()))
        return z + (quantized - z).detach() if z.requires_grad else quantized
