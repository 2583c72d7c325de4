"""The vanilla convolutional VAE (Kingma, Welling 2014) and its loss in plain PyTorch: what the C++ model is compared with.

It shares no code with the C++ side. Modules are named as PyTorch-VAE names them, so its state_dict is the common language.
"""
import math

import torch
from torch import nn

ACTIVATIONS = {"leaky_relu": nn.LeakyReLU, "relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "identity": nn.Identity}


class VanillaVAE(nn.Module):
    def __init__(self, channels, height, width, latent_dim, hidden_dims, activation="leaky_relu", output="sigmoid"):
        super().__init__()
        act = ACTIVATIONS[activation]
        sizes = [(height, width)]
        widths = [channels, *hidden_dims]

        levels = []
        for before, after in zip(widths, hidden_dims):
            levels.append(nn.Sequential(nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1), nn.BatchNorm2d(after), act()))
            sizes.append(tuple(math.ceil(size / 2) for size in sizes[-1]))
        self.encoder = nn.Sequential(*levels)

        self.code_shape = (hidden_dims[-1], *sizes[-1])
        code_values = math.prod(self.code_shape)
        self.fc_mu = nn.Linear(code_values, latent_dim)
        self.fc_var = nn.Linear(code_values, latent_dim)
        self.decoder_input = nn.Linear(latent_dim, code_values)

        def up(before, after, size):
            """Leads to `size`: without output padding, a size n becomes 2n - 1, which is one short of every even size."""
            padding = tuple((extent + 1) % 2 for extent in size)
            return [nn.ConvTranspose2d(before, after, kernel_size=3, stride=2, padding=1, output_padding=padding), nn.BatchNorm2d(after), act()]

        mirrored = list(zip(hidden_dims, hidden_dims[1:], sizes[1:]))[::-1]
        self.decoder = nn.Sequential(*(nn.Sequential(*up(deep, shallow, size)) for shallow, deep, size in mirrored))
        self.final_layer = nn.Sequential(*up(hidden_dims[0], hidden_dims[0], sizes[0]),
                                         nn.Conv2d(hidden_dims[0], channels, kernel_size=3, padding=1), ACTIVATIONS[output]())

    def encode(self, x):
        code = torch.flatten(self.encoder(x), start_dim=1)
        return self.fc_mu(code), torch.clamp(self.fc_var(code), -30.0, 20.0)

    def decode(self, z):
        return self.final_layer(self.decoder(self.decoder_input(z).reshape(-1, *self.code_shape)))

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(mu + torch.exp(0.5 * log_var) * noise), mu, log_var

    def trained_parameters(self):
        """By name; all but the biases of convolutions that feed a batch norm, whose gradients are rounding noise about zero."""
        def feeds_batch_norm(name):
            owner, _, kind = name.rpartition(".")
            following = owner.rpartition(".")[0] + "." + str(int(owner.rpartition(".")[2]) + 1) if owner[-1].isdigit() else ""
            return kind == "bias" and isinstance(dict(self.named_modules()).get(following), nn.BatchNorm2d)

        return {name: parameter for name, parameter in self.named_parameters() if not feeds_batch_norm(name)}


def loss_terms(output, x, mu, log_var, kld_factor, reduction="mean", sigma=1.0):
    """loss, reconstruction, KL. `sum` is the negative log-likelihood of a Gaussian in nats per sample, by torch.distributions."""
    if reduction == "mean":
        reconstruction = ((output - x) ** 2).mean()
    else:
        reconstruction = -torch.distributions.Normal(output, sigma).log_prob(x).sum() / len(x)
    posterior = torch.distributions.Normal(mu, torch.exp(0.5 * log_var))
    prior = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    kld = torch.distributions.kl_divergence(posterior, prior).sum() / len(x)
    return reconstruction + kld_factor * kld, reconstruction, kld
