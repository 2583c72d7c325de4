"""The fully connected VAE (Kingma, Welling 2014, appendix C) in plain PyTorch."""
import math

import torch
from torch import nn
from vanilla_vae_reference import ACTIVATIONS, LEAST_LOG_VARIANCE


class MlpVAE(nn.Module):
    def __init__(self, channels, height, width, latent_dim, hidden_dims, activation="leaky_relu", output="sigmoid", predicted_variance=None):
        super().__init__()
        self.latent_dim, self.image_shape = latent_dim, (channels, height, width)
        values = math.prod(self.image_shape)

        def stack(widths, kind):
            return nn.Sequential(*(part for before, after in zip(widths, widths[1:]) for part in (nn.Linear(before, after), ACTIVATIONS[kind]())))

        self.encoder = stack([values, *hidden_dims], activation)
        self.fc_mu = nn.Linear(hidden_dims[-1], latent_dim)
        self.fc_var = nn.Linear(hidden_dims[-1], latent_dim)
        self.decoder = stack([latent_dim, *reversed(hidden_dims)], activation)
        self.final_layer = stack([hidden_dims[0], values], output)
        self.predicted_variance = predicted_variance
        if predicted_variance:
            self.log_variance_layer = nn.Linear(hidden_dims[0], {"values": values, "sample": 1}[predicted_variance])

    def encode(self, x):
        code = self.encoder(x.reshape(len(x), -1))
        return self.fc_mu(code), torch.clamp(self.fc_var(code), -30.0, 20.0)

    def decode_both(self, z):
        code = self.decoder(z)
        image = self.final_layer(code).reshape(-1, *self.image_shape)
        if self.predicted_variance is None:
            return image, None
        log_variance = torch.clamp(self.log_variance_layer(code), min=LEAST_LOG_VARIANCE[self.predicted_variance])
        return image, log_variance.reshape(image.shape if self.predicted_variance == "values" else (len(image), 1, 1, 1))
