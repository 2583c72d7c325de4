"""The residual VAE in plain PyTorch: pre-activation blocks with group normalisation, attention at given sizes of the first axis, and a vector or spatial latent."""
import math

import torch
from layers_reference import ACTIVATIONS, CONVOLUTION, ConditionalEncoderInput
from torch import nn


def group_norm(channels):
    """Group normalisation with the largest number of groups, up to 32, that divides the channels."""
    return nn.GroupNorm(max(groups for groups in range(1, 33) if channels % groups == 0), channels)


class ResidualBlock(nn.Module):
    def __init__(self, before, after, activation, convolution):
        super().__init__()
        self.norm1, self.norm2 = group_norm(before), group_norm(after)
        self.conv1, self.conv2 = convolution(before, after, 3, padding=1), convolution(after, after, 3, padding=1)
        self.shortcut = convolution(before, after, 1) if before != after else None
        self.activation = activation

    def forward(self, x):
        inside = self.conv2(self.activation(self.norm2(self.conv1(self.activation(self.norm1(x))))))
        return inside + (x if self.shortcut is None else self.shortcut(x))


class SpatialAttention(nn.Module):
    """One head over all positions: softmax(q k^T / sqrt(channels)) v."""

    def __init__(self, channels, convolution):
        super().__init__()
        self.norm = group_norm(channels)
        self.qkv, self.projection = convolution(channels, 3 * channels, 1), convolution(channels, channels, 1)

    def forward(self, x):
        q, k, v = (part.flatten(2) for part in torch.split(self.qkv(self.norm(x)), x.shape[1], dim=1))
        shares = torch.softmax(torch.einsum("bcp,bcq->bpq", q, k) / math.sqrt(x.shape[1]), dim=2)
        return x + self.projection(torch.einsum("bpq,bcq->bcp", shares, v).reshape(x.shape))


class Upsampling(nn.Module):
    """Upsamples n pixels to a size of 2n or 2n - 1: pixel i is a copy of pixel floor(i * n / size)."""

    def __init__(self, channels, size):
        super().__init__()
        self.size = size
        self.conv = CONVOLUTION[len(size)](channels, channels, 3, padding=1)

    def forward(self, x):
        for axis, size in enumerate(self.size, start=2):
            x = x.index_select(axis, torch.tensor([i * x.shape[axis] // size for i in range(size)]))
        return self.conv(x)


class ResnetVAE(ConditionalEncoderInput):
    def __init__(self, channels, space, latent_dim, hidden_dims, activation="leaky_relu", output="sigmoid", second_head=None, condition_values=0,
                 blocks=2, attention_at=(16,), latent="flat"):
        super().__init__()
        act = ACTIVATIONS[activation]()
        convolution = CONVOLUTION[len(space)]
        sizes = [tuple(space)]
        self.sample_shape, self.second_head = (channels, *space), second_head
        for _ in hidden_dims[1:]:
            sizes.append(tuple(math.ceil(size / 2) for size in sizes[-1]))
        deepest = hidden_dims[-1]
        self.spatial = latent == "spatial"
        self.code_shape, self.latent_shape = (deepest, *sizes[-1]), (latent_dim, *sizes[-1])
        self.latent_dim = math.prod(self.latent_shape) if self.spatial else latent_dim

        def level(before, after, size):
            parts = []
            for block in range(blocks):
                parts.append(ResidualBlock(before if block == 0 else after, after, act, convolution))
                if size[0] in attention_at:
                    parts.append(SpatialAttention(after, convolution))
            return parts

        down = [convolution(self.add_condition(channels, space, condition_values), hidden_dims[0], 3, padding=1)]
        for i, (before, after) in enumerate(zip([hidden_dims[0], *hidden_dims], hidden_dims)):
            down += level(before, after, sizes[i])
            if i < len(hidden_dims) - 1:
                down.append(convolution(after, after, 3, stride=2, padding=1))
        self.encoder = nn.Sequential(*down, group_norm(deepest), act)

        if self.spatial:
            self.conv_mu, self.conv_var = convolution(deepest, latent_dim, 1), convolution(deepest, latent_dim, 1)
            self.latent_input = convolution(latent_dim + condition_values, deepest, 3, padding=1)
        else:
            values = math.prod(self.code_shape)
            self.fc_mu, self.fc_var = nn.Linear(values, latent_dim), nn.Linear(values, latent_dim)
            self.decoder_input = nn.Linear(latent_dim + condition_values, values)

        up = []
        for i in range(len(hidden_dims) - 1, -1, -1):
            up += level(hidden_dims[min(i + 1, len(hidden_dims) - 1)], hidden_dims[i], sizes[i])
            if i > 0:
                up.append(Upsampling(hidden_dims[i], sizes[i - 1]))
        self.decoder = nn.Sequential(*up, group_norm(hidden_dims[0]), act)
        self.output_layer = convolution(hidden_dims[0], channels, 3, padding=1)
        if second_head:
            second_head.add_to(self, hidden_dims[0], channels, len(space))
        self.output_activation = ACTIVATIONS[output]()

    def encode(self, x, y=None):
        code = self.encoder(self.with_class_channel(x, y))
        if self.spatial:
            mu, log_var = self.conv_mu(code).reshape(len(x), -1), self.conv_var(code).reshape(len(x), -1)
        else:
            mu, log_var = self.fc_mu(code.reshape(len(x), -1)), self.fc_var(code.reshape(len(x), -1))
        return mu, torch.clamp(log_var, -30.0, 20.0)

    def decode_both(self, z, y=None):
        if self.spatial:
            z = z.reshape(-1, *self.latent_shape)
            if self.condition_values:
                everywhere = torch.ones_like(z[:, :1]) * y.reshape(*y.shape, *[1] * (z.dim() - 2))
                z = torch.cat([z, everywhere], dim=1)
            code = self.latent_input(z)
        else:
            code = self.decoder_input(self.with_class(z, y)).reshape(-1, *self.code_shape)
        features = self.decoder(code)
        return self.output_activation(self.output_layer(features)), self.second_head and self.second_head.read(self, features, self.sample_shape)
