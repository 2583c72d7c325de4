"""The fully connected VAE (Kingma, Welling 2014, appendix C) in plain PyTorch. Without hidden layers it is the linear VAE (Lucas et al. 2019)."""
import math

import torch
from layers_reference import ACTIVATIONS
from torch import nn


class MlpVAE(nn.Module):
    def __init__(self, channels, space, latent_dim, hidden_dims, activation="leaky_relu", output="sigmoid", second_head=None, condition_values=0):
        super().__init__()
        self.latent_dim, self.sample_shape, self.conditional, self.second_head = latent_dim, (channels, *space), condition_values > 0, second_head
        values = math.prod(self.sample_shape)

        def stack(widths, kind):
            return nn.Sequential(*(part for before, after in zip(widths, widths[1:]) for part in (nn.Linear(before, after), ACTIVATIONS[kind]())))

        inward = [values + condition_values, *hidden_dims]
        outward = [latent_dim + condition_values, *reversed(hidden_dims)]
        self.encoder = stack(inward, activation)
        self.fc_mu = nn.Linear(inward[-1], latent_dim)
        self.fc_var = nn.Linear(inward[-1], latent_dim)
        self.decoder = stack(outward, activation)
        self.final_layer = stack([outward[-1], values], output)
        if second_head:
            second_head.add_to(self, outward[-1], values, dimensions=0)

    def encode(self, x, y=None):
        row = x.reshape(len(x), -1)
        code = self.encoder(torch.cat([row, y], dim=1) if self.conditional else row)
        return self.fc_mu(code), torch.clamp(self.fc_var(code), -30.0, 20.0)

    def decode_both(self, z, y=None):
        code = self.decoder(torch.cat([z, y], dim=1) if self.conditional else z)
        second = self.second_head and self.second_head.read(self, code, self.sample_shape)
        return self.final_layer(code).reshape(-1, *self.sample_shape), second
