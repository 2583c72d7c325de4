"""The autoencoder in plain PyTorch: VanillaVAE's networks with a deterministic code z = g(x)."""
from torch import nn
from vanilla_vae_reference import ConvolutionalNetwork


class Autoencoder(ConvolutionalNetwork):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.add_encoder()
        self.fc_z = nn.Linear(self.code_values, self.latent_dim)
        self.add_decoder()

    def encode(self, x, y=None):
        """The code has no variance."""
        return self.fc_z(self.code(x, y)), None
