"""p(x|z): what a decoder's output says about x. Equations: the program's src/objective/README.md.

All tensors are [B, C, space...] in the model's units unless a function says otherwise. `observed` is a mask of x, True where x is known, or None where
all of it is; x holds 0 elsewhere.
"""
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vae_dist.known import known
from vae_dist.networks import SecondHead

_LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class LikelihoodOptions:
    own: dict[str, Any]
    """The section `objective` of the configuration."""
    low: float
    high: float
    """The range of x."""
    channels: int
    values: int
    """D of a sample."""


@dataclass(frozen=True)
class Decoded:
    output: Tensor
    second: Tensor | None = None


def _summed(of_values: Tensor, observed: Tensor | None) -> Tensor:
    """The sum over the observed values of each sample: [B]."""
    if observed is not None:
        of_values = torch.where(observed, of_values, 0)
    return of_values.flatten(1).sum(1)


def _number_observed(x: Tensor, observed: Tensor | None) -> Tensor | int:
    return x[0].numel() if observed is None else observed.flatten(1).sum(1).clamp(min=1).to(x.dtype)


def _of_each_channel(numbers: Tensor, x: Tensor) -> Tensor:
    return numbers.to(x.dtype).view(1, -1, *[1] * (x.dim() - 2))


def _like(x: Tensor, draw: Callable[..., Tensor], generator: torch.Generator | None) -> Tensor:
    return draw(x.shape, generator=generator, dtype=x.dtype, device=x.device)


class Likelihood(nn.Module):
    takes_logits = False
    counts = False
    """x are counts, and E[x|z] needs the total of the sample."""

    def __init__(self, options: LikelihoodOptions):
        super().__init__()
        self.options = options

    @property
    def second_head(self) -> SecondHead | None:
        return None

    def log_prob(self, decoded: Decoded, x: Tensor, observed: Tensor | None = None) -> Tensor:
        """log p(x|z) in nats with all constants, summed over the observed values of each sample: [B]."""
        raise NotImplementedError

    def mean(self, decoded: Decoded, total: Tensor | None = None) -> Tensor:
        """E[x|z]. `total`, [B]: of counts, that of each sample; None: objective.generated_total."""
        return decoded.output

    def draw(self, decoded: Decoded, total: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        """A draw of p(x|z) for each z."""
        raise NotImplementedError


class Gaussian(Likelihood):
    """N(output, sigma^2). Sigma is given, learned, follows the error (Rybkin et al. 2021, eq. 6), or the decoder predicts it."""

    running_mse: Tensor

    def __init__(self, options: LikelihoodOptions):
        super().__init__(options)
        self._variance = known({name: name for name in ("fixed", "learned", "optimal", "predicted", "predicted_shared")}, options.own.get("variance", "fixed"), "objective.variance")
        if self._variance == "learned":
            self.log_sigma = nn.Parameter(torch.zeros(()))
        if self._variance == "optimal":
            self.register_buffer("running_mse", torch.ones(()))
            self.register_buffer("num_batches_tracked", torch.zeros((), dtype=torch.long))

    @property
    def second_head(self) -> SecondHead | None:
        return {"predicted": SecondHead("log_variance_layer", True, -6), "predicted_shared": SecondHead("log_variance_layer", False, -12)}.get(self._variance)

    def _log_sigma(self, decoded: Decoded) -> Tensor:
        if self._variance == "learned":
            return self.log_sigma.to(decoded.output.dtype)
        if self._variance == "optimal":
            # In evaluation, of the running mean; softly above -6 (Chua et al. 2018, appendix A.1).
            log_sigma = 0.5 * self.running_mse.clamp(min=torch.finfo(torch.float32).tiny).log()
            return (-6 + functional.softplus(log_sigma + 6)).to(decoded.output.dtype)
        if decoded.second is not None:
            return 0.5 * decoded.second
        return torch.full((), math.log(self.options.own.get("sigma", 1.0)), dtype=decoded.output.dtype, device=decoded.output.device)

    def log_prob(self, decoded: Decoded, x: Tensor, observed: Tensor | None = None) -> Tensor:
        squares, log_sigma = (decoded.output - x).square(), self._log_sigma(decoded)
        if self._variance == "predicted":
            return -_summed(0.5 * squares * (-2 * log_sigma).exp() + log_sigma + 0.5 * _LOG_2PI, observed)
        log_sigma = log_sigma.reshape(-1) if log_sigma.dim() else log_sigma
        return -(_summed(squares, observed) * 0.5 * (-2 * log_sigma).exp() + _number_observed(x, observed) * (log_sigma + 0.5 * _LOG_2PI))

    def draw(self, decoded: Decoded, total: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        return decoded.output + self._log_sigma(decoded).exp() * _like(decoded.output, torch.randn, generator)


class Laplace(Likelihood):
    """Density exp(-|x - output| / b) / (2 b); b is given, learned for each channel, or predicted for each value."""

    def __init__(self, options: LikelihoodOptions):
        super().__init__(options)
        self._spread = known({name: name for name in ("fixed", "learned", "predicted")}, options.own.get("spread", "fixed"), "objective.spread")
        if self._spread == "learned":
            self.log_scale = nn.Parameter(torch.zeros(options.channels))

    @property
    def second_head(self) -> SecondHead | None:
        return SecondHead("log_scale_layer", True, -3) if self._spread == "predicted" else None

    def _log_scale(self, decoded: Decoded) -> Tensor:
        if decoded.second is not None:
            return decoded.second
        if self._spread == "learned":
            return _of_each_channel(self.log_scale, decoded.output)
        return torch.full_like(decoded.output, math.log(self.options.own.get("scale", 1.0)))

    def log_prob(self, decoded: Decoded, x: Tensor, observed: Tensor | None = None) -> Tensor:
        log_scale = self._log_scale(decoded)
        return -_summed((x - decoded.output).abs() * (-log_scale).exp() + log_scale + math.log(2), observed)

    def draw(self, decoded: Decoded, total: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        first, second = (-torch.log1p(-_like(decoded.output, torch.rand, generator)) for _ in range(2))
        return decoded.output + self._log_scale(decoded).exp() * (first - second)


class Bernoulli(Likelihood):
    """Values 0 and 1; the decoder gives their logits."""

    takes_logits = True

    def log_prob(self, decoded: Decoded, x: Tensor, observed: Tensor | None = None) -> Tensor:
        return -_summed(functional.softplus(decoded.output) - x * decoded.output, observed)

    def mean(self, decoded: Decoded, total: Tensor | None = None) -> Tensor:
        return decoded.output.sigmoid()

    def draw(self, decoded: Decoded, total: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        return torch.bernoulli(decoded.output.sigmoid(), generator=generator)


class DiscretizedLogistic(Likelihood):
    """The 256 levels of bytes: probabilities of bins of a logistic distribution around the output (Salimans et al. 2017, eq. 2)."""

    def __init__(self, options: LikelihoodOptions):
        super().__init__(options)
        self.log_scale = nn.Parameter(torch.full((options.channels,), math.log(0.1 * (options.high - options.low))))

    def log_prob(self, decoded: Decoded, x: Tensor, observed: Tensor | None = None) -> Tensor:
        half = 0.5 * (self.options.high - self.options.low) / 255
        inverse = _of_each_channel((-self.log_scale).exp(), x)
        below_upper = functional.logsigmoid((x + half - decoded.output) * inverse)
        above_lower = functional.logsigmoid(-(x - half - decoded.output) * inverse)
        # sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - exp(l - u)), whose logarithm loses nothing however close the two are.
        inner = below_upper + above_lower + (-torch.expm1(-2 * half * inverse)).log()
        of_values = torch.where(x < self.options.low + half, below_upper, torch.where(x > self.options.high - half, above_lower, inner))
        return _summed(of_values, observed)

    def draw(self, decoded: Decoded, total: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        uniform = _like(decoded.output, torch.rand, generator).clamp(1e-7, 1 - 1e-7)
        drawn = decoded.output + _of_each_channel(self.log_scale.exp(), decoded.output) * uniform.logit()
        step = (self.options.high - self.options.low) / 255
        return ((drawn - self.options.low) / step).round().clamp(0, 255) * step + self.options.low


class _Counts(Likelihood):
    """The softmax of the decoder's output over all values, times the sample's total, is the mean (Lopez et al. 2018)."""

    takes_logits = True
    counts = True

    def _log_rates(self, decoded: Decoded, x: Tensor, observed: Tensor | None) -> Tensor:
        logits = decoded.output.flatten(1)
        if observed is not None:
            logits = logits.masked_fill(~observed.flatten(1), -1e4)  # a missing value has no share of the total
        # The rates of a sample without any counts are as good as zero.
        return logits.log_softmax(1) + x.flatten(1).sum(1, keepdim=True).clamp(min=1e-30).log()

    @staticmethod
    def _of_counts(log_p: Tensor, x: Tensor, observed: Tensor | None) -> Tensor:
        are_counts = (x >= 0) & (x == x.floor())
        return _summed(torch.where(are_counts, log_p.view_as(x), -math.inf), observed)

    def _rates(self, decoded: Decoded, total: Tensor | None) -> Tensor:
        shares = decoded.output.flatten(1).softmax(1)
        totals = self.options.own.get("generated_total", 10000) if total is None else total.type_as(shares).view(-1, 1)
        return (shares * totals).view_as(decoded.output)

    def mean(self, decoded: Decoded, total: Tensor | None = None) -> Tensor:
        return self._rates(decoded, total)


class Poisson(_Counts):
    def log_prob(self, decoded: Decoded, x: Tensor, observed: Tensor | None = None) -> Tensor:
        log_mu, counts = self._log_rates(decoded, x, observed), x.flatten(1)
        return self._of_counts(counts * log_mu - log_mu.exp() - torch.lgamma(counts + 1), x, observed)

    def draw(self, decoded: Decoded, total: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        return torch.poisson(self._rates(decoded, total), generator=generator)


class NegativeBinomial(_Counts):
    """Mean mu and variance mu + mu^2 / theta, theta of each value."""

    def __init__(self, options: LikelihoodOptions):
        super().__init__(options)
        self.log_theta = nn.Parameter(torch.zeros(options.values))

    def _log_p(self, decoded: Decoded, x: Tensor, observed: Tensor | None) -> Tensor:
        log_mu, counts = self._log_rates(decoded, x, observed), x.flatten(1)
        log_theta = self.log_theta.to(log_mu.dtype)
        theta, ratio = log_theta.exp(), log_theta - log_mu
        return (torch.lgamma(counts + theta) - torch.lgamma(theta) - torch.lgamma(counts + 1)
                + theta * functional.logsigmoid(ratio) + counts * functional.logsigmoid(-ratio))

    def log_prob(self, decoded: Decoded, x: Tensor, observed: Tensor | None = None) -> Tensor:
        return self._of_counts(self._log_p(decoded, x, observed), x, observed)

    def draw(self, decoded: Decoded, total: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        rates = self._rates(decoded, total)
        theta = self.log_theta.to(rates.dtype).exp().expand_as(rates.flatten(1)).contiguous()
        gamma = torch._standard_gamma(theta, generator=generator) / theta
        return torch.poisson(gamma.view_as(rates) * rates, generator=generator)


class ZeroInflatedNegativeBinomial(NegativeBinomial):
    """Some counts are not seen, so that 0 is stored: with a probability whose logit the second head gives."""

    @property
    def second_head(self) -> SecondHead | None:
        return SecondHead("zero_logits_layer")

    def log_prob(self, decoded: Decoded, x: Tensor, observed: Tensor | None = None) -> Tensor:
        assert decoded.second is not None
        pi = decoded.second.flatten(1)
        seen = functional.logsigmoid(-pi) + self._log_p(decoded, x, observed)
        log_p = torch.where(x.flatten(1) == 0, torch.logaddexp(functional.logsigmoid(pi), seen), seen)
        return self._of_counts(log_p, x, observed)

    def mean(self, decoded: Decoded, total: Tensor | None = None) -> Tensor:
        assert decoded.second is not None
        return self._rates(decoded, total) * (-decoded.second).sigmoid()

    def draw(self, decoded: Decoded, total: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        assert decoded.second is not None
        return super().draw(decoded, total, generator) * torch.bernoulli((-decoded.second).sigmoid(), generator=generator)


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "gaussian": Gaussian, "laplace": Laplace, "bernoulli": Bernoulli, "discretized_logistic": DiscretizedLogistic, "poisson": Poisson,
    "negative_binomial": NegativeBinomial, "zero_inflated_negative_binomial": ZeroInflatedNegativeBinomial,
}


def make_likelihood(options: LikelihoodOptions) -> Likelihood:
    """The likelihood of the section `objective`. Raises ValueError if it is unknown here."""
    return known(LIKELIHOODS, options.own["likelihood"], "objective.likelihood")(options)
