"""The decoder-only model in plain PyTorch: the second half of VanillaVAE."""
from vanilla_vae_reference import ConvolutionalNetwork


class DecoderOnly(ConvolutionalNetwork):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.add_decoder()
