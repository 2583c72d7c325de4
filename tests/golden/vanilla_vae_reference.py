"""The vanilla convolutional VAE (Kingma, Welling 2014) in plain PyTorch, the reference for the C++ model.

It shares no code with the C++ side. Modules are named as in PyTorch-VAE, so both sides exchange weights as its state_dict.
"""
import math

import torch
from layers_reference import ACTIVATIONS, BATCH_NORM, CONVOLUTION, TRANSPOSED, ConditionalEncoderInput
from torch import nn


class ConvolutionalNetwork(ConditionalEncoderInput):
    """The two halves of VanillaVAE, shared by models that use one or both."""

    def __init__(self, channels, space, latent_dim, hidden_dims, activation="leaky_relu", output="sigmoid", second_head=None, condition_values=0):
        super().__init__()
        self.channels, self.latent_dim, self.hidden_dims, self.second_head = channels, latent_dim, hidden_dims, second_head
        self.condition_values, self.dimensions = condition_values, len(space)
        self.activation, self.output = ACTIVATIONS[activation], ACTIVATIONS[output]
        self.sizes = [tuple(space)]
        for _ in hidden_dims:
            self.sizes.append(tuple(math.ceil(size / 2) for size in self.sizes[-1]))
        self.code_shape = (hidden_dims[-1], *self.sizes[-1])
        self.code_values = math.prod(self.code_shape)

    def add_encoder(self):
        channels = self.add_condition(self.channels, self.sizes[0], self.condition_values)

        def down(before, after):
            return nn.Sequential(CONVOLUTION[self.dimensions](before, after, kernel_size=3, stride=2, padding=1), BATCH_NORM[self.dimensions](after), self.activation())

        self.encoder = nn.Sequential(*(down(*widths) for widths in zip([channels, *self.hidden_dims], self.hidden_dims)))

    def add_decoder(self):
        def up(before, after, size):
            """Upsamples to `size`. Without output padding a size n becomes 2n - 1, which is one short of an even size."""
            padding = tuple((extent + 1) % 2 for extent in size)
            return [TRANSPOSED[self.dimensions](before, after, kernel_size=3, stride=2, padding=1, output_padding=padding),
                    BATCH_NORM[self.dimensions](after), self.activation()]

        self.decoder_input = nn.Linear(self.latent_dim + self.condition_values, self.code_values)
        mirrored = list(zip(self.hidden_dims, self.hidden_dims[1:], self.sizes[1:]))[::-1]
        self.decoder = nn.Sequential(*(nn.Sequential(*up(deep, shallow, size)) for shallow, deep, size in mirrored))
        first = self.hidden_dims[0]
        self.final_layer = nn.Sequential(*up(first, first, self.sizes[0]), CONVOLUTION[self.dimensions](first, self.channels, kernel_size=3, padding=1),
                                         self.output())
        if self.second_head:
            self.second_head.add_to(self, first, self.channels, self.dimensions)

    def code(self, x, y=None):
        return torch.flatten(self.encoder(self.with_class_channel(x, y)), start_dim=1)

    def decode_both(self, z, y=None):
        """The decoder's output and that of its second head (or None)."""
        features = self.final_layer[:3](self.decoder(self.decoder_input(self.with_class(z, y)).reshape(-1, *self.code_shape)))
        return self.final_layer[3:](features), self.second_head and self.second_head.read(self, features, (self.channels, *self.sizes[0]))


class VanillaVAE(ConvolutionalNetwork):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.add_encoder()
        self.fc_mu = nn.Linear(self.code_values, self.latent_dim)
        self.fc_var = nn.Linear(self.code_values, self.latent_dim)
        self.add_decoder()

    def encode(self, x, y=None):
        code = self.code(x, y)
        return self.fc_mu(code), torch.clamp(self.fc_var(code), -30.0, 20.0)

    def decode(self, z, y=None):
        return self.decode_both(z, y)[0]

    def forward(self, x, noise, y=None):
        mu, log_var = self.encode(x, y)
        return self.decode(mu + torch.exp(0.5 * log_var) * noise, y), mu, log_var
