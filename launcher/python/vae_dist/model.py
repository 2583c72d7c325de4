"""A trained model: its network and likelihood with everything between the file's units and the model's."""
import json
import math
from collections.abc import Mapping
from itertools import product
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vae_dist.checkpoint import Checkpoint, Location, read_checkpoint
from vae_dist.codes import VectorQuantizer
from vae_dist.conditions import Conditions
from vae_dist.likelihoods import Decoded, Likelihood, LikelihoodOptions, make_likelihood
from vae_dist.networks import NetworkOptions, make_network
from vae_dist.normalisation import Normalisation, Transform, by_channel
from vae_dist.script_network import with_kept_files

Array = Tensor | np.ndarray[Any, Any]
Samples = Array | Mapping[str, Array]
"""Samples as the program's `reconstruct --out FILE.h5` holds `originals`: [N, C, space...] in the model's range, a vector [N, V]; unless data.normalize
is scale, in the units and axes of the training file, and a dict by dataset where the samples consist of several."""
Condition = Mapping[str, Any] | Tensor | None
"""As Conditions.told() takes it."""

_AT_ONCE = 256  # tiles of a sample larger than the model's


class Posterior(NamedTuple):
    """q(z|x) = N(mu, exp(log_var)), each [N, latent_values]."""

    mu: Tensor
    log_var: Tensor | None
    """None: the code is a point."""

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """mu + exp(log_var / 2) * noise. A point is its own sample."""
        if self.log_var is None:
            return self.mu
        noise = torch.randn(self.mu.shape, generator=generator, dtype=self.mu.dtype, device=self.mu.device)
        return self.mu + (self.log_var / 2).exp() * noise


class Batch(NamedTuple):
    """A batch as the model sees it: values to learn, what the encoder reads, what is known of them (None: all), what the model is told."""

    x: Tensor
    seen: Tensor
    observed: Tensor | None
    condition: Tensor | None


class TrainedModel(nn.Module):
    """A model that vae_dist has trained. Everything that users give and get is in the file's layout and units (Samples); tensors come back.

    It begins in evaluation mode and without gradients for its parameters; `requires_grad_()` and `train()` make it trainable, with PyTorch's own batch
    statistics. A run of precision bf16 is computed in fp32 here.
    """

    def __init__(self, checkpoint: Checkpoint):
        """Raises ValueError with the names that there are for a network, likelihood, transform or condition that is unknown here."""
        super().__init__()
        config, metadata = checkpoint.config, checkpoint.metadata
        self.config, self.state, self.path, self.metadata = config, checkpoint.state, checkpoint.path, metadata
        space = metadata["space"] if "space" in metadata else f"{metadata['height']}x{metadata['width']}"
        channels, self.space = int(metadata["channels"]), tuple(int(size) for size in space.split("x") if size)
        self.shape = (channels, *self.space)
        """[C, space...] of a sample of the model, a vector's [V]."""
        data = config["data"]
        self.conditions = Conditions(self.state.get("conditions", ""))
        text = self.state.get("normalisation", "")
        self.normalisation = Normalisation.parse(text, len(self.space)) if text else None
        self.transforms: Mapping[str, Transform] | None = None
        """Of the values that the encoder reads, by name; None: TRANSFORMS."""
        self.encoder_transform: list[str] = _listed(data.get("encoder_transform"))
        self._masks_missing = data.get("missing", "error") == "mask"
        self.range: tuple[float, float] = tuple(data.get("range", (0, 1)))  # of normalised values it has no effect and is not kept
        """In which the values of samples lie, with data.normalize: scale."""
        low, high = self.range
        likelihood = make_likelihood(LikelihoodOptions(config["objective"], low, high, channels, math.prod(self.shape)))
        output = config["model"].get("output", "auto")
        if output == "auto":
            identity = likelihood.takes_logits or data.get("normalize", "scale") != "scale"
            output = "identity" if identity else "tanh" if low < 0 else "sigmoid"
        # A checkpoint lies in RUN/checkpoints/STEP. Its path may be a link, and so may `checkpoints`.
        written = checkpoint.path.absolute().parent.parent
        model = with_kept_files(config["model"], written if (written / "network").exists() else checkpoint.path.resolve().parent.parent, self.state.get("kept_files", {}))
        # A network from Python has no hidden_dims and no activation.
        options = NetworkOptions(channels, self.space, model["latent_dim"], tuple(_listed(model.get("hidden_dims"))), model.get("activation", "identity"), output, likelihood.second_head,
                                 2 * channels if self._masks_missing else channels, self.conditions.values, model)
        # PyTorch draws weights, which the checkpoint's replace: the caller's random numbers stay as they would be.
        with torch.random.fork_rng(devices=[]):
            self.network = make_network(model, options)
        # Registered in the network, so that its state_dict has the names of checkpoints.
        self.network.add_module("likelihood", likelihood)
        self.network.to(torch.float64 if config["train"].get("precision") == "fp64" else torch.float32)
        self.network.load_state_dict(checkpoint.weights)
        self.eval().requires_grad_(False)

    @property
    def likelihood(self) -> Likelihood:
        """p(x|z), in the model's units."""
        return cast(Likelihood, self.network.likelihood)

    @property
    def step(self) -> int:
        """Training steps after which the checkpoint was written."""
        return int(self.state["step"])

    @property
    def latent_values(self) -> int:
        """Numbers of z: latent_dim, times the positions of a spatial latent."""
        return self.network.latent_values

    @property
    def latent_kind(self) -> str:
        """posterior, point or none (there is no encoder)."""
        return self.network.latent_kind

    @property
    def quantizer(self) -> VectorQuantizer | None:
        """The codebook of a quantized latent (model.codes)."""
        return self.network.codes

    @property
    def dtype(self) -> torch.dtype:
        return next(self.network.parameters()).dtype

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    # From the file's units to the model's, and back.

    def _tensor(self, values: Array) -> Tensor:
        return torch.as_tensor(values).to(self.device, self.dtype)

    def stored(self, x: Samples) -> Tensor:
        """Samples -> [N, C, space...] with the values as they are."""
        if self.normalisation is None and not isinstance(x, Mapping):
            dtype = torch.as_tensor(x).dtype
            if dtype != torch.bool and not dtype.is_floating_point:
                low, high = self.range
                how = "divide by 255" if (low, high) == (0, 1) else f"{low:g} + {high - low:g} * x / 255"
                raise ValueError(f"values lie in [{low:g}, {high:g}], but these are {str(dtype).removeprefix('torch.')}: of bytes x, {how}")
        tensors = {name: self._tensor(each) for name, each in x.items()} if isinstance(x, Mapping) else self._tensor(x)
        out = self.normalisation.from_file(tensors) if self.normalisation else tensors
        assert isinstance(out, Tensor)
        if out.dim() != 1 + len(self.shape) or out.shape[1] != self.shape[0]:
            raise ValueError(f"samples are [N, {', '.join(map(str, self.shape))}], not {list(out.shape)}")
        return out

    def batch(self, stored: Tensor, condition: Tensor | None) -> Batch:
        """stored(), of the model's size, as the model sees it."""
        if stored.shape[1:] != self.shape:
            raise ValueError(f"samples are [N, {', '.join(map(str, self.shape))}], not {list(stored.shape)}")
        x = self.normalisation.apply_to(stored) if self.normalisation else stored
        seen = by_channel(self.encoder_transform, x, lambda f, values: f.apply(values), self.transforms) if self.encoder_transform else x
        if not self._masks_missing:
            return Batch(x, seen, None, condition)
        missing = x.isnan()
        observed = ~missing
        return Batch(x.masked_fill(missing, 0), torch.cat([seen.masked_fill(missing, 0), observed.to(x.dtype)], 1), observed, condition)

    def in_file_units(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        """[N, C, space...] in the model's units -> Samples."""
        return self.normalisation.to_file(self.normalisation.undo(x)) if self.normalisation else x

    def _given(self, x: Samples, condition: Condition) -> tuple[Tensor, Batch]:
        stored = self.stored(x)
        return stored, self.batch(stored, self._told(condition, len(stored)))

    def _told(self, condition: Condition, count: int) -> Tensor | None:
        told = self.conditions.told(condition, count)
        return None if told is None else told.to(self.device, self.dtype)

    def _latents(self, z: Array) -> Tensor:
        rows = self._tensor(z)
        if rows.dim() != 2 or rows.shape[1] != self.latent_values:
            raise ValueError(f"z is [N, {self.latent_values}], not {list(rows.shape)}")
        return rows

    def total_of(self, batch: Batch) -> Tensor | None:
        """The total of each sample's counts, [N]; None of a likelihood that is not of counts."""
        return batch.x.flatten(1).sum(1) if self.likelihood.counts else None

    def _decoded(self, z: Tensor, condition: Tensor | None) -> Decoded:
        return Decoded(*self.network.decode(z, condition))

    # What users call.

    def encode(self, x: Samples, condition: Condition = None) -> Posterior:
        """q(z|x): mu and log_var [N, latent_values], as the program's `embed` writes them. Of a quantized latent, mu is what the encoder gives, before its
        vectors are replaced by codes. Raises ValueError for a model without an encoder."""
        _, batch = self._given(x, condition)
        return Posterior(*self.network.encode(batch.seen, batch.condition))

    def codes(self, x: Samples, condition: Condition = None) -> Tensor:
        """Of a quantized latent: the number of the code nearest to each vector, int64 [N, vectors], as `embed` writes them. A position has model.codes.groups
        vectors; the positions of a group lie side by side."""
        return self._quantizer().codes_of(self.encode(x, condition).mu)

    def decode_codes(self, codes: Array, condition: Condition = None, total: Array | None = None) -> Tensor | dict[str, Tensor]:
        """E[x|z] of codes, int64 [N, vectors], as codes() gives them: what decode() gives of the same codes' vectors."""
        quantizer, numbers = self._quantizer(), torch.as_tensor(codes, device=self.device)
        if numbers.dim() != 2 or numbers.shape[1] != quantizer.vectors or numbers.dtype.is_floating_point:
            raise ValueError(f"codes are integers [N, {quantizer.vectors}], not {numbers.dtype} {list(numbers.shape)}")
        if numbers.numel() and not 0 <= int(numbers.min()) <= int(numbers.max()) < quantizer.size:
            raise ValueError(f"codes lie in 0 to {quantizer.size - 1}")
        return self.decode(quantizer.latents_of(numbers.long()), condition, total)

    def _quantizer(self) -> VectorQuantizer:
        if self.quantizer is None:
            raise ValueError("the latent is continuous: the model has no codes (model.codes)")
        return self.quantizer

    def decode(self, z: Array, condition: Condition = None, total: Array | None = None) -> Tensor | dict[str, Tensor]:
        """E[x|z] in the file's layout and units. z: [N, latent_values]. `total`, [N]: of counts, that of each sample (default:
        objective.generated_total)."""
        rows = self._latents(z)
        decoded = self._decoded(rows, self._told(condition, len(rows)))
        return self.in_file_units(self.likelihood.mean(decoded, None if total is None else self._tensor(total)))

    def reconstruct(self, x: Samples, condition: Condition = None, latent: str = "mean", generator: torch.Generator | None = None) -> Tensor | dict[str, Tensor]:
        """E[x|z] for z = the posterior's mean, or with latent="sample" a draw of it: from `originals` of the program's `reconstruct --out FILE.h5` its
        `reconstructions`. Samples that are larger than those of a model of crops (data.random_crop) are cut into tiles, as there."""
        if latent not in ("mean", "sample"):
            raise ValueError(f"latent is mean or sample, not {latent!r}")
        stored = self.stored(x)
        told = self._told(condition, len(stored))
        tiled = self.config["data"].get("random_crop") and stored.shape[2:] != self.space
        made = self._by_tiles(stored, told, latent, generator) if tiled else self._reconstructed(stored, told, latent, generator)
        return self.in_file_units(made)

    def forward(self, x: Samples, condition: Condition = None) -> Tensor | dict[str, Tensor]:
        return self.reconstruct(x, condition)

    def _reconstructed(self, stored: Tensor, condition: Tensor | None, latent: str, generator: torch.Generator | None) -> Tensor:
        batch = self.batch(stored, condition)
        posterior = Posterior(*self.network.encode(batch.seen, batch.condition))
        z = posterior.mu if latent == "mean" else posterior.sample(generator)
        return self.likelihood.mean(self._decoded(z, condition), self.total_of(batch))

    def _by_tiles(self, stored: Tensor, condition: Tensor | None, latent: str, generator: torch.Generator | None) -> Tensor:
        out = torch.empty_like(stored)
        if any(size < tile for size, tile in zip(stored.shape[2:], self.space)):
            raise ValueError(f"samples are at least {self.space} large, not {tuple(stored.shape[2:])}")
        tiles = list(product(*(_stretches(size, tile) for size, tile in zip(stored.shape[2:], self.space))))
        work = [(row, tile) for row in range(len(stored)) for tile in tiles]
        for first in range(0, len(work), _AT_ONCE):
            part = work[first : first + _AT_ONCE]
            rows = torch.tensor([row for row, _ in part], device=stored.device)
            windows: list[tuple[Any, ...]] = [(row, slice(None), *(slice(begin, begin + size) for (begin, _, _), size in zip(tile, self.space))) for row, tile in part]
            made = self._reconstructed(torch.stack([stored[window] for window in windows]), None if condition is None else condition[rows], latent, generator)
            for values, (row, tile) in zip(made, part):
                kept = (slice(None), *(slice(begin, end) for _, begin, end in tile))
                inside = (slice(None), *(slice(begin - start, end - start) for start, begin, end in tile))
                out[row][kept] = values[inside]
        return out

    def sample(self, count: int = 1, condition: Condition = None, temperature: float = 1.0, values: str = "mean",
               generator: torch.Generator | None = None) -> Tensor | dict[str, Tensor]:
        """Decodes `count` draws of N(0, temperature^2 I): their E[x|z], or with values="sample" a draw of p(x|z). The draws are PyTorch's, not the
        program's. Raises ValueError for a quantized latent."""
        if self.quantizer is not None:
            raise ValueError("the model's latent is quantized (model.codes), and nothing has learned which codes occur together: codes that are drawn independently at every place "
                             "decode to noise. reconstruct, encode, codes, decode and decode_codes work")
        z = temperature * torch.randn(count, self.latent_values, generator=generator, dtype=self.dtype, device=self.device)
        decoded = self._decoded(z, self._told(condition, count))
        if values not in ("mean", "sample"):
            raise ValueError(f"values is mean or sample, not {values!r}")
        likelihood = self.likelihood
        return self.in_file_units(likelihood.mean(decoded) if values == "mean" else likelihood.draw(decoded, generator=generator))

    def log_prob(self, x: Samples, z: Array | None = None, condition: Condition = None, draws: int = 64, generator: torch.Generator | None = None) -> Tensor:
        """Log densities (of discrete values: log probabilities) of the file's own values in nats: [N].

        With z, [N, latent_values]: log p(x|z), summed over the known values of each sample. Without: an estimate of log p(x) from `draws` draws, which is
        on average not above it: importance-weighted (Burda et al. 2016, eq. 8), from the prior where there is no encoder. Raises ValueError for a model
        whose code is a point and z is not given: it has no p(x).
        """
        stored, batch = self._given(x, condition)
        jacobian = self.normalisation.log_jacobian(stored).to(batch.x.dtype) if self.normalisation else 0
        likelihood = self.likelihood

        def log_p_of(code: Tensor) -> Tensor:
            return likelihood.log_prob(self._decoded(code, batch.condition), batch.x, batch.observed)

        if z is not None:
            rows = self._latents(z)
            if len(rows) != len(stored):
                raise ValueError(f"z has {len(rows)} rows for {len(stored)} samples")
            return log_p_of(rows) + jacobian
        if self.latent_kind == "point":
            raise ValueError("a model whose code is a point, as an autoencoder's or one of a codebook, has no p(x): give z for log p(x|z)")
        posterior = Posterior(*self.network.encode(batch.seen, batch.condition)) if self.latent_kind == "posterior" else None
        weights = []
        for _ in range(draws):
            noise = torch.randn(len(stored), self.latent_values, generator=generator, dtype=self.dtype, device=self.device)
            if posterior is None or posterior.log_var is None:
                weights.append(log_p_of(noise))
            else:
                code = posterior.mu + (posterior.log_var / 2).exp() * noise
                # log p(z) - log q(z|x); the constants of the two cancel.
                weights.append(log_p_of(code) + 0.5 * (noise.square() + posterior.log_var - code.square()).sum(1))
        return torch.stack(weights).logsumexp(0) - math.log(draws) + jacobian

    def save(self, path: Location) -> None:
        """Writes the weights as safetensors, as `vae_dist weights import` takes them back."""
        metadata = {**self.metadata, "format": "pt"}
        for key in ("normalisation", "conditions"):
            if self.state.get(key):
                metadata[key] = self.state[key]
        if self.encoder_transform:
            metadata["encoder_transform"] = json.dumps(self.encoder_transform)
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in self.network.state_dict().items()}, path, metadata)


def _listed(value: Any) -> list[Any]:
    """A list in a configuration may be written as its only item, and as null if it is empty."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _stretches(size: int, tile: int) -> list[tuple[int, int, int]]:
    """Along one axis, of each tile: where it begins, and from where to where it counts. The last is moved inwards; of two that overlap, each counts up to
    the middle of what they share."""
    out: list[tuple[int, int, int]] = []
    for begin in range(0, size, tile):
        first = min(begin, size - tile)
        kept = first
        if out:
            kept = (first + out[-1][0] + tile + 1) // 2
            out[-1] = (out[-1][0], out[-1][1], kept)
        out.append((first, kept, size))
    return out


def load(location: Location, verify: bool = True) -> TrainedModel:
    """The trained model of a run (its newest good checkpoint), a checkpoint's folder, RUN@best or RUN@STEP, with the moving averages of the weights where
    the run keeps them, as the program's verbs choose. On the CPU; `.to(device)` moves it.

    With `verify`, compares the SHA-256 sums of the files that are read. Raises FileNotFoundError, or ValueError.
    """
    return TrainedModel(read_checkpoint(location, verify))
