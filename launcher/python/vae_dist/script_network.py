"""A network that was written in Python and saved as TorchScript (model.name: script), with the weights that a run has given it."""
import contextlib
import hashlib
import pathlib
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from vae_dist.networks import NETWORKS, Network, NetworkOptions

FILES = ("encoder", "decoder")

# Operations that draw random numbers, in training mode at least, by the word in their names.
_DRAWS = ("dropout", "rand", "bernoulli", "normal_", "aten::normal", "uniform_", "exponential_", "multinomial", "poisson", "rrelu", "gumbel", "cauchy_", "geometric_", "binomial",
          "scaled_dot_product_attention")


def with_kept_files(model: dict[str, Any], run: pathlib.Path, sums: dict[str, str]) -> dict[str, Any]:
    """The section `model` of a configuration with the TorchScript files that the run's folder keeps in place of those that it began with. Keys of the same
    file share a copy, under the name of the first. `sums`: the SHA-256 of each file by its key ("model.encoder"), of which older runs have none. Raises
    ValueError if a file is another one."""
    if model.get("name") != "script":
        return model
    first = {model[key]: key for key in reversed(FILES)}
    kept = {key: run / "network" / first[model[key]] for key in FILES}
    out = {**model, **{key: str(path) for key, path in kept.items() if path.exists()}}
    for key in FILES:
        file, wanted = pathlib.Path(out[key]), sums.get(f"model.{key}")
        if wanted is not None and file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() != wanted:
            raise ValueError(f"{file} (model.{key}) was changed after the run began: it is another network than the one that the weights belong to. Put the file back whose SHA-256 is {wanted}")
    return out


def _loaded(file: str) -> torch.jit.ScriptModule:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript's age: the program can train no other form of a Python network
            return torch.jit.load(file, "cpu")
    except (RuntimeError, ValueError, OSError) as error:
        raise ValueError(f"{file} (model.encoder or model.decoder: the network from Python that the run trained) cannot be read as TorchScript: {str(error).splitlines()[0]}") from None


class _Half:
    """One half of the network: a method of a script."""

    def __init__(self, script: torch.jit.ScriptModule, method: str, place: int):
        self._method = method if hasattr(script, method) else "forward"
        self._seed = place
        self.draws = self._draws(getattr(script, self._method).inlined_graph)

    @classmethod
    def _draws(cls, block: Any) -> bool:
        return any(any(word in node.kind() for word in _DRAWS) or any(map(cls._draws, node.blocks())) for node in block.nodes())

    @contextlib.contextmanager
    def _same_draws(self, device: torch.device) -> Iterator[None]:
        """In evaluation every batch gets the same draws, as in the program."""
        generator = torch.cuda.default_generators[device.index or 0] if device.type == "cuda" else torch.default_generator
        before = generator.get_state()
        generator.manual_seed(self._seed)
        try:
            yield
        finally:
            generator.set_state(before)

    def __call__(self, script: torch.jit.ScriptModule, *given: Tensor | None) -> list[Tensor]:
        given = tuple(each.clone() for each in given if each is not None)  # the script may change them in place
        draws = self._same_draws(given[0].device) if self.draws and not script.training else contextlib.nullcontext()
        # An executor that observes the first calls and then fuses operations would change results between one call and the next.
        with draws, torch.jit.optimized_execution(False):
            out = getattr(script, self._method)(*given)
        return [out] if isinstance(out, Tensor) else [each for each in out if each is not None]


class ScriptNetwork(Network):
    """Parameters and buffers have the names of checkpoints in its state_dict: of a single file those of the script itself, of two files below `encoder` and
    `decoder`. Tensors that a script has under several names have the first."""

    def __init__(self, options: NetworkOptions):
        super().__init__()
        self._shape, self._head = (options.channels, *options.space), options.second_head
        gives_point = options.own.get("encoder_gives", "posterior") == "point"
        self.latent_kind, self.latent_values = "point" if gives_point else "posterior", options.latent_dim
        first, second = (str(options.own[key]) for key in FILES)
        self._in_one = first == second
        if self._in_one:
            self.script = _loaded(first)
        else:
            self.encoder, self.decoder = _loaded(first), _loaded(second)
        self._encode, self._decode = (_Half(script, method, place) for place, (script, method) in enumerate(zip(self._scripts, ("encode", "decode"))))
        prefix = "script." if self._in_one else ""
        self._kept_names, self._other_names = self._names(prefix)
        self.register_state_dict_post_hook(self._to_names_of_checkpoints)
        self.register_load_state_dict_pre_hook(self._from_names_of_checkpoints)

    @property
    def _scripts(self) -> tuple[torch.jit.ScriptModule, torch.jit.ScriptModule]:
        return (self.script, self.script) if self._in_one else (self.encoder, self.decoder)

    def _names(self, prefix: str) -> tuple[dict[str, str], dict[str, str]]:
        """By their names here: the names of tensors in checkpoints; further names of tensors and the first of each."""
        tensors, seen = nn.Module.state_dict(self, keep_vars=True), {}
        first = {name: seen.setdefault(id(tensor), name) for name, tensor in tensors.items()}
        return {name: name.removeprefix(prefix) for name in tensors if first[name] == name}, {name: of for name, of in first.items() if of != name}

    @staticmethod
    def _to_names_of_checkpoints(module: nn.Module, state: dict[str, Tensor], prefix: str, _metadata: Any) -> None:
        assert isinstance(module, ScriptNetwork)
        for name in module._other_names:
            del state[prefix + name]
        found = {kept: state.pop(prefix + here) for here, kept in module._kept_names.items()}
        state.update({prefix + kept: tensor for kept, tensor in found.items()})

    @staticmethod
    def _from_names_of_checkpoints(module: nn.Module, state: dict[str, Tensor], prefix: str, *_rest: Any) -> None:
        assert isinstance(module, ScriptNetwork)
        given = {here: state.pop(prefix + kept) for here, kept in module._kept_names.items() if prefix + kept in state}
        state.update({prefix + here: tensor for here, tensor in given.items()})
        state.update({prefix + name: given[first] for name, first in module._other_names.items() if first in given})

    def encode(self, seen: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor | None]:
        given = self._encode(self._scripts[0], seen, condition)
        if self.latent_kind == "point":
            return given[0].flatten(1), None
        return given[0].flatten(1), given[1].flatten(1).clamp(-30, 20)

    def decode_latents(self, z: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor | None]:
        given = self._decode(self._scripts[1], z, condition)
        return given[0], None if self._head is None else given[1].clamp(min=self._head.least)


NETWORKS["script"] = ScriptNetwork
