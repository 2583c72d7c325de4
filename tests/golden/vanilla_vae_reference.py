"""The vanilla convolutional VAE (Kingma, Welling 2014) in plain PyTorch, the reference for the C++ model.

It shares no code with the C++ side. Modules are named as in PyTorch-VAE, so both sides exchange weights as its state_dict.
"""
import math

import torch
from torch import nn

ACTIVATIONS = {"leaky_relu": nn.LeakyReLU, "relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "identity": nn.Identity}
LEAST_LOG_VARIANCE = {"values": -6.0, "sample": -12.0}  # lower bounds of a predicted log variance, of every value or of the whole sample


def variance_head(network, features):
    """The log variance that a network's second head reads off its last features, or None: of every value, or one for the whole sample, from the features'
    means over all positions."""
    if network.predicted_variance is None:
        return None
    if network.predicted_variance == "sample":
        features = features.flatten(2).sum(2) / features[0, 0].numel()
    log_variance = network.log_variance_layer(features)
    if network.predicted_variance == "sample":
        log_variance = log_variance[:, :, None, None]
    return torch.clamp(log_variance, min=LEAST_LOG_VARIANCE[network.predicted_variance])


class ConvolutionalNetwork(nn.Module):
    """The two halves of VanillaVAE, shared by models that use one or both."""

    def __init__(self, channels, height, width, latent_dim, hidden_dims, activation="leaky_relu", output="sigmoid", predicted_variance=None):
        super().__init__()
        self.channels, self.latent_dim, self.hidden_dims, self.predicted_variance = channels, latent_dim, hidden_dims, predicted_variance
        self.activation, self.output = ACTIVATIONS[activation], ACTIVATIONS[output]
        self.sizes = [(height, width)]
        for _ in hidden_dims:
            self.sizes.append(tuple(math.ceil(size / 2) for size in self.sizes[-1]))
        self.code_shape = (hidden_dims[-1], *self.sizes[-1])
        self.code_values = math.prod(self.code_shape)

    def add_encoder(self):
        def down(before, after):
            return nn.Sequential(nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1), nn.BatchNorm2d(after), self.activation())

        self.encoder = nn.Sequential(*(down(*widths) for widths in zip([self.channels, *self.hidden_dims], self.hidden_dims)))

    def add_decoder(self):
        def up(before, after, size):
            """Upsamples to `size`. Without output padding a size n becomes 2n - 1, which is one short of an even size."""
            padding = tuple((extent + 1) % 2 for extent in size)
            return [nn.ConvTranspose2d(before, after, kernel_size=3, stride=2, padding=1, output_padding=padding), nn.BatchNorm2d(after), self.activation()]

        self.decoder_input = nn.Linear(self.latent_dim, self.code_values)
        mirrored = list(zip(self.hidden_dims, self.hidden_dims[1:], self.sizes[1:]))[::-1]
        self.decoder = nn.Sequential(*(nn.Sequential(*up(deep, shallow, size)) for shallow, deep, size in mirrored))
        first = self.hidden_dims[0]
        self.final_layer = nn.Sequential(*up(first, first, self.sizes[0]), nn.Conv2d(first, self.channels, kernel_size=3, padding=1), self.output())
        if self.predicted_variance == "values":
            self.log_variance_layer = nn.Conv2d(first, self.channels, kernel_size=3, padding=1)
        if self.predicted_variance == "sample":
            self.log_variance_layer = nn.Linear(first, 1)

    def code(self, x):
        return torch.flatten(self.encoder(x), start_dim=1)

    def decode_both(self, z):
        """The decoder's output and the log variance from its second head (or None)."""
        features = self.final_layer[:3](self.decoder(self.decoder_input(z).reshape(-1, *self.code_shape)))
        return self.final_layer[3:](features), variance_head(self, features)


class VanillaVAE(ConvolutionalNetwork):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.add_encoder()
        self.fc_mu = nn.Linear(self.code_values, self.latent_dim)
        self.fc_var = nn.Linear(self.code_values, self.latent_dim)
        self.add_decoder()

    def encode(self, x):
        code = self.code(x)
        return self.fc_mu(code), torch.clamp(self.fc_var(code), -30.0, 20.0)

    def decode(self, z):
        return self.decode_both(z)[0]

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(mu + torch.exp(0.5 * log_var) * noise), mu, log_var
