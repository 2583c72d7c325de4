"""What the networks in plain PyTorch share: layers by the number of space dimensions, the second head, and the condition as PyTorch-VAE's cvae.py has it."""
import math

import torch
from torch import nn

ACTIVATIONS = {"leaky_relu": nn.LeakyReLU, "relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "identity": nn.Identity}
CONVOLUTION = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
BATCH_NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


class Head:
    """A second head: `of` says whether every value gets a number, or the whole sample one; what is below `least` is raised to it."""

    def __init__(self, of, layer="log_variance_layer", least=-math.inf):
        self.of, self.layer, self.least = of, layer, least

    def add_to(self, network, features, channels, dimensions):
        """The layer, for features that are maps, or for rows of a network without space dimensions."""
        if self.of == "sample":
            layer = nn.Linear(features, 1)
        elif dimensions:
            layer = CONVOLUTION[dimensions](features, channels, 3, padding=1)
        else:
            layer = nn.Linear(features, channels)
        setattr(network, self.layer, layer)

    def read(self, network, features, shape):
        """Its numbers: of each value, in the samples' shape, or of each sample, from the features' means over all positions."""
        if self.of == "sample" and features.dim() > 2:
            features = features.flatten(2).sum(2) / features[0, 0].numel()
        numbers = getattr(network, self.layer)(features)
        numbers = numbers.reshape(-1, *(shape if self.of == "values" else [1] * len(shape)))
        return torch.clamp(numbers, min=self.least)


class ConditionalEncoderInput(nn.Module):
    """Adds embed_class and embed_data to a network, as cvae.py does: the condition becomes a channel of its own beside the embedded data."""

    def add_condition(self, channels, space, condition_values):
        self.condition_values, self.condition_space = condition_values, space
        if not condition_values:
            return channels
        self.embed_class = nn.Linear(condition_values, math.prod(space))
        self.embed_data = CONVOLUTION[len(space)](channels, channels, kernel_size=1)
        return channels + 1

    def with_class_channel(self, x, y):
        if not self.condition_values:
            return x
        channel = self.embed_class(y).reshape(len(y), 1, *self.condition_space)
        return torch.cat([self.embed_data(x), channel], dim=1)

    def with_class(self, z, y):
        return torch.cat([z, y], dim=1) if self.condition_values else z
