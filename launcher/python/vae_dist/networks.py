"""The program's networks as PyTorch modules. Parameters have the names that they have in checkpoints."""
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vae_dist.codes import VectorQuantizer
from vae_dist.known import known

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "leaky_relu": lambda: nn.LeakyReLU(0.01), "relu": nn.ReLU, "tanh": nn.Tanh, "silu": nn.SiLU, "sigmoid": nn.Sigmoid, "identity": nn.Identity,
}


@dataclass(frozen=True)
class SecondHead:
    """What a likelihood asks of a decoder beside its output: numbers of each value, or one of the whole sample."""

    layer: str
    of_values: bool = True
    least: float = -math.inf


@dataclass(frozen=True)
class NetworkOptions:
    channels: int
    """C of a sample; a vector of V values has V channels."""
    space: tuple[int, ...]
    """Its space axes, outermost first; none for a vector."""
    latent_dim: int
    hidden_dims: tuple[int, ...]
    activation: str
    output: str
    second_head: SecondHead | None = None
    encoder_channels: int = 0
    """Of what the encoder reads."""
    condition_values: int = 0
    """Y: the numbers that the model is told about each sample."""
    own: dict[str, Any] = field(default_factory=dict)
    """The section `model` of the configuration, for keys of one network."""
    quantized: bool = False
    """The latent's vectors are replaced by codes (model.codes), so it is a point, and there is no layer for log_var."""

    @property
    def positions(self) -> int:
        return math.prod(self.space)


class Network(nn.Module):
    """Encoder and decoder. Samples are [B, C, space...] in the model's units, z is rows: [B, latent_values]."""

    latent_kind = "posterior"
    latent_values: int
    codes: VectorQuantizer | None
    """make_network() adds the codebook, if there is one."""
    own_keys: frozenset[str] = frozenset()
    """Keys of the section `model` that this network alone knows, as one that an extension adds to NETWORKS."""

    def __init__(self) -> None:
        super().__init__()
        self.register_module("codes", None)

    def encode(self, seen: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Returns mu and log_var, [B, latent_values] each; of a network whose code is a point, the point and None."""
        raise NotImplementedError

    def decode(self, z: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """decode_latents() of z; if there is a codebook, each vector of z is replaced by its nearest code first."""
        return self.decode_latents(z if self.codes is None else self.codes(z), condition)

    def decode_latents(self, z: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Returns the output, [B, C, space...], and the second head's numbers: [B, C, space...], or [B, 1, ...] for the whole sample."""
        raise NotImplementedError


def _clamped(log_var: Tensor) -> Tensor:
    return log_var.clamp(-30, 20)


def _heads(options: NetworkOptions, layer: Callable[[], nn.Module]) -> tuple[nn.Module, nn.Module | None]:
    """The layers of mu and log_var; the second is None where the latent is quantized."""
    return layer(), None if options.quantized else layer()


def _posterior(code: Tensor, mu: nn.Module, log_var: nn.Module | None) -> tuple[Tensor, Tensor | None]:
    return mu(code).flatten(1), None if log_var is None else _clamped(log_var(code).flatten(1))


def _halved(space: tuple[int, ...]) -> tuple[int, ...]:
    return tuple((size + 1) // 2 for size in space)


def _convolution(options: NetworkOptions, into: int, out: int, kernel: int, stride: int = 1) -> nn.Module:
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(options.space) - 1]
    return kind(into, out, kernel, stride, padding=kernel // 2)


def _require_space(options: NetworkOptions) -> None:
    if not 1 <= len(options.space) <= 3 or not options.hidden_dims:
        raise ValueError("a convolutional network needs one to three axes of space and at least one level in model.hidden_dims")


def _told(rows: Tensor, condition: Tensor | None) -> Tensor:
    return rows if condition is None else torch.cat([rows, condition.type_as(rows)], 1)


class _ConditionedEncoder(Network):
    """The condition enters a convolutional encoder as a channel of its own (Sohn et al. 2015, as PyTorch-VAE's cvae.py)."""

    def _take_condition(self, options: NetworkOptions) -> int:
        """Registers the layers. Returns the number of channels that the encoder reads."""
        self._space = options.space
        if not options.condition_values:
            return options.encoder_channels
        self.embed_class = nn.Linear(options.condition_values, options.positions)
        self.embed_data = _convolution(options, options.encoder_channels, options.encoder_channels, 1)
        return options.encoder_channels + 1

    def _joined(self, seen: Tensor, condition: Tensor | None) -> Tensor:
        if condition is None:
            return seen
        channel = self.embed_class(condition.type_as(seen)).view(-1, 1, *self._space)
        return torch.cat([self.embed_data(seen), channel], 1)


class _SecondHeadLayer:
    """The second head of a convolutional decoder: a layer of `owner` under the likelihood's name for it."""

    def __init__(self, owner: nn.Module, options: NetworkOptions):
        self._head, self._dimensions = options.second_head, len(options.space)
        if self._head is not None:
            features = options.hidden_dims[0]
            owner.add_module(self._head.layer, _convolution(options, features, options.channels, 3) if self._head.of_values else nn.Linear(features, 1))

    def __call__(self, owner: nn.Module, features: Tensor) -> Tensor | None:
        if self._head is None:
            return None
        layer = owner.get_submodule(self._head.layer)
        if self._head.of_values:
            return layer(features).clamp(min=self._head.least)
        one = layer(features.flatten(2).mean(2)).clamp(min=self._head.least)
        return one.view(-1, 1, *[1] * self._dimensions)


class _ConvolutionalNetwork(_ConditionedEncoder):
    """PyTorch-VAE's convolutions (vanilla_vae.py) in one to three dimensions: levels of stride 2 with batch norm, and back through the same sizes."""

    def _make_encoder(self, options: NetworkOptions) -> int:
        """Returns the number of values of the last level."""
        _require_space(options)
        channels, space, levels = self._take_condition(options), options.space, []
        for out in options.hidden_dims:
            levels.append(nn.Sequential(_convolution(options, channels, out, 3, 2), self._norm(options, out), ACTIVATIONS[options.activation]()))
            channels, space = out, _halved(space)
        self.encoder = nn.Sequential(*levels)
        return channels * math.prod(space)

    def _make_decoder(self, options: NetworkOptions) -> None:
        _require_space(options)
        hidden, sizes = options.hidden_dims, [options.space]
        for _ in hidden:
            sizes.append(_halved(sizes[-1]))
        self._code_shape = (hidden[-1], *sizes[-1])
        self.decoder_input = nn.Linear(options.latent_dim + options.condition_values, math.prod(self._code_shape))
        self.decoder = nn.Sequential(*(nn.Sequential(*self._up(options, hidden[level], hidden[level - 1], sizes[level])) for level in range(len(hidden) - 1, 0, -1)))
        self.final_layer = nn.Sequential(*self._up(options, hidden[0], hidden[0], sizes[0]), _convolution(options, hidden[0], options.channels, 3), ACTIVATIONS[options.output]())
        self._second = _SecondHeadLayer(self, options)
        self.latent_values = options.latent_dim

    @staticmethod
    def _norm(options: NetworkOptions, channels: int) -> nn.Module:
        return (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[len(options.space) - 1](channels)

    def _up(self, options: NetworkOptions, into: int, out: int, space: tuple[int, ...]) -> list[nn.Module]:
        """A transposed convolution makes 2n - 1 of a size n; one more where the size on the way down was even."""
        kind = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[len(space) - 1]
        even = tuple(1 - size % 2 for size in space)
        return [kind(into, out, 3, 2, padding=1, output_padding=even), self._norm(options, out), ACTIVATIONS[options.activation]()]

    def _code(self, seen: Tensor, condition: Tensor | None) -> Tensor:
        return self.encoder(self._joined(seen, condition)).flatten(1)

    def decode_latents(self, z: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor | None]:
        x = self.decoder(self.decoder_input(_told(z, condition)).view(-1, *self._code_shape))
        features = self.final_layer[:-2](x)
        return self.final_layer[-2:](features), self._second(self, features)


class VanillaVae(_ConvolutionalNetwork):
    def __init__(self, options: NetworkOptions):
        super().__init__()
        code = self._make_encoder(options)
        self.fc_mu, self.fc_var = _heads(options, lambda: nn.Linear(code, options.latent_dim))
        self._make_decoder(options)

    def encode(self, seen: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor | None]:
        code = self._code(seen, condition)
        return _posterior(code, self.fc_mu, self.fc_var)


class Autoencoder(_ConvolutionalNetwork):
    latent_kind = "point"

    def __init__(self, options: NetworkOptions):
        super().__init__()
        self.fc_z = nn.Linear(self._make_encoder(options), options.latent_dim)
        self._make_decoder(options)

    def encode(self, seen: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return self.fc_z(self._code(seen, condition)), None


class DecoderOnly(_ConvolutionalNetwork):
    latent_kind = "none"

    def __init__(self, options: NetworkOptions):
        super().__init__()
        self._make_decoder(options)

    def encode(self, seen: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor | None]:
        raise ValueError("a decoder_only model has no encoder")


class MlpVae(Network):
    """Fully connected levels. Without any it is linear."""

    def __init__(self, options: NetworkOptions):
        super().__init__()
        self._shape, self._head = (options.channels, *options.space), options.second_head
        values, told = options.channels * options.positions, options.condition_values
        widths = [options.encoder_channels * options.positions + told, *options.hidden_dims]
        self.encoder, code = self._levels(widths, options.activation), widths[-1]
        self.fc_mu, self.fc_var = _heads(options, lambda: nn.Linear(code, options.latent_dim))
        widths = [options.latent_dim + told, *reversed(options.hidden_dims)]
        self.decoder = self._levels(widths, options.activation)
        self.final_layer = nn.Sequential(nn.Linear(widths[-1], values), ACTIVATIONS[options.output]())
        if self._head is not None:
            self.add_module(self._head.layer, nn.Linear(widths[-1], values if self._head.of_values else 1))
        self.latent_values = options.latent_dim

    @staticmethod
    def _levels(widths: list[int], activation: str) -> nn.Sequential:
        return nn.Sequential(*(layer for into, out in zip(widths, widths[1:]) for layer in (nn.Linear(into, out), ACTIVATIONS[activation]())))

    def encode(self, seen: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor | None]:
        code = self.encoder(_told(seen.flatten(1), condition))
        return _posterior(code, self.fc_mu, self.fc_var)

    def decode_latents(self, z: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor | None]:
        features = self.decoder(_told(z, condition))
        output = self.final_layer(features).view(-1, *self._shape)
        if self._head is None:
            return output, None
        second = self.get_submodule(self._head.layer)(features).clamp(min=self._head.least)
        return output, second.view(-1, *(self._shape if self._head.of_values else [1] * len(self._shape)))


class GroupNorm(nn.GroupNorm):
    """Group normalisation (Wu, He 2018) and the activation behind it. 32 groups, or the largest smaller number that divides the channels."""

    def __init__(self, channels: int, activation: str = "identity"):
        super().__init__(next(groups for groups in range(min(32, channels), 0, -1) if channels % groups == 0), channels)
        self._activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        return self._activation(super().forward(x))


class ResidualBlock(nn.Module):
    """x + conv(act(norm(conv(act(norm(x))))))  (He et al. 2016, "Identity Mappings in Deep Residual Networks")."""

    def __init__(self, options: NetworkOptions, into: int, out: int):
        super().__init__()
        self.norm1, self.norm2 = GroupNorm(into, options.activation), GroupNorm(out, options.activation)
        self.conv1, self.conv2 = _convolution(options, into, out, 3), _convolution(options, out, out, 3)
        if into != out:
            self.shortcut = _convolution(options, into, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(self.norm2(self.conv1(self.norm1(x))))
        return h + (self.shortcut(x) if hasattr(self, "shortcut") else x)


class SpatialAttention(nn.Module):
    """x + projection(attention over all positions of norm(x)), one head (Vaswani et al. 2017, eq. 1)."""

    def __init__(self, options: NetworkOptions, channels: int):
        super().__init__()
        self.norm = GroupNorm(channels)
        self.qkv, self.projection = _convolution(options, channels, 3 * channels, 1), _convolution(options, channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (part.flatten(2).transpose(1, 2).unsqueeze(1) for part in self.qkv(self.norm(x)).chunk(3, 1))
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return x + self.projection(mixed.squeeze(1).transpose(1, 2).reshape(-1, *x.shape[1:]))


class Upsampling(nn.Module):
    """Nearest neighbours to the given size, then a convolution."""

    def __init__(self, options: NetworkOptions, channels: int, space: tuple[int, ...]):
        super().__init__()
        self._space = space
        self.conv = _convolution(options, channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(functional.interpolate(x, size=self._space, mode="nearest"))


class ResnetVae(_ConditionedEncoder):
    """Residual blocks, attention where the first axis of space has one of the sizes `attention_at`, a flat or a spatial latent."""

    def __init__(self, options: NetworkOptions):
        super().__init__()
        _require_space(options)
        hidden, sizes = options.hidden_dims, [options.space]
        while len(sizes) < len(hidden):
            sizes.append(_halved(sizes[-1]))
        channels, deepest, positions, told = self._take_condition(options), hidden[-1], math.prod(sizes[-1]), options.condition_values
        self._code_shape = (deepest, *sizes[-1])

        layers: list[nn.Module] = [_convolution(options, channels, hidden[0], 3)]
        for level, out in enumerate(hidden):
            layers += self._blocks(options, hidden[max(level - 1, 0)], out, sizes[level])
            if level + 1 < len(hidden):
                layers.append(_convolution(options, out, out, 3, 2))
        self.encoder = nn.Sequential(*layers, GroupNorm(deepest, options.activation))

        self._latent_shape = (options.latent_dim, *sizes[-1]) if options.own.get("latent", "flat") == "spatial" else None
        if self._latent_shape:
            self.conv_mu, self.conv_var = _heads(options, lambda: _convolution(options, deepest, options.latent_dim, 1))
            self.latent_input = _convolution(options, options.latent_dim + told, deepest, 3)
        else:
            self.fc_mu, self.fc_var = _heads(options, lambda: nn.Linear(deepest * positions, options.latent_dim))
            self.decoder_input = nn.Linear(options.latent_dim + told, deepest * positions)

        layers = []
        for level in range(len(hidden) - 1, -1, -1):
            layers += self._blocks(options, hidden[min(level + 1, len(hidden) - 1)], hidden[level], sizes[level])
            if level > 0:
                layers.append(Upsampling(options, hidden[level], sizes[level - 1]))
        self.decoder = nn.Sequential(*layers, GroupNorm(hidden[0], options.activation))
        self.output_layer = _convolution(options, hidden[0], options.channels, 3)
        self._output = ACTIVATIONS[options.output]()
        self._second = _SecondHeadLayer(self, options)
        self.latent_values = math.prod(self._latent_shape) if self._latent_shape else options.latent_dim

    @staticmethod
    def _blocks(options: NetworkOptions, into: int, out: int, space: tuple[int, ...]) -> list[nn.Module]:
        layers: list[nn.Module] = []
        attention = options.own.get("attention_at", [16])
        attention = attention if isinstance(attention, list) else [attention]
        for block in range(options.own.get("blocks", 2)):
            layers.append(ResidualBlock(options, into if block == 0 else out, out))
            if space[0] in attention:
                layers.append(SpatialAttention(options, out))
        return layers

    def encode(self, seen: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor | None]:
        code = self.encoder(self._joined(seen, condition))
        if self._latent_shape:
            return _posterior(code, self.conv_mu, self.conv_var)
        return _posterior(code.flatten(1), self.fc_mu, self.fc_var)

    def decode_latents(self, z: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor | None]:
        if self._latent_shape:
            code = z.view(-1, *self._latent_shape)
            if condition is not None:
                everywhere = condition.type_as(code).view(-1, condition.shape[1], *[1] * (code.dim() - 2)).expand(-1, -1, *code.shape[2:])
                code = torch.cat([code, everywhere], 1)
            code = self.latent_input(code)
        else:
            code = self.decoder_input(_told(z, condition)).view(-1, *self._code_shape)
        features = self.decoder(code)
        return self._output(self.output_layer(features)), self._second(self, features)


NETWORKS: dict[str, Callable[[NetworkOptions], Network]] = {
    "vanilla_vae": VanillaVae, "autoencoder": Autoencoder, "decoder_only": DecoderOnly, "mlp_vae": MlpVae, "resnet_vae": ResnetVae,
}

# The keys of the section `model` that this file knows what to do about. Others, of a newer program, may change what is computed.
_KEYS = {"name", "latent_dim", "hidden_dims", "activation", "output", "cancelled_bias", "latent", "blocks", "attention_at", "normalise_in", "group_norm", "codes",
         "encoder", "decoder", "encoder_gives", "initialise", "summed_buffers"}
_KEYS_OF_CODES = {"kind", "size", "groups", "commitment", "decay", "restart_after"}


def _require_known(config: Mapping[str, Any], keys: set[str], section: str) -> None:
    for key in config.keys() - keys:
        if config[key] not in (None, False, "none"):
            raise ValueError(f"{section}.{key} is unknown to this version of the package, which knows {', '.join(sorted(keys))}")


def make_network(config: dict[str, Any], options: NetworkOptions) -> Network:
    """The network of the section `model` of a configuration, with its codebook. Raises ValueError for a network or a key that is unknown here."""
    codes = config.get("codes") or {}
    kind = known(NETWORKS, config["name"], "model.name")
    _require_known(config, _KEYS | set(getattr(kind, "own_keys", ())), "model")
    _require_known(codes, _KEYS_OF_CODES, "model.codes")
    known(ACTIVATIONS, options.activation, "model.activation")
    known(ACTIVATIONS, options.output, "model.output")
    quantized = known({"continuous": False, "vector_quantized": True}, codes.get("kind", "continuous"), "model.codes.kind")
    network = kind(replace(options, quantized=quantized))
    if quantized:
        network.latent_kind = "point"
        network.codes = VectorQuantizer(codes["size"], codes["groups"], options.latent_dim, network.latent_values // options.latent_dim)
    return network
