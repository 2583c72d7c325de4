"""p(x|z) in plain PyTorch, from torch.distributions where possible; the discretized logistic and the zeros of the zero-inflated negative binomial follow
their definitions."""
import math

import torch
from layers_reference import Head
from torch import nn
from torch.distributions import Bernoulli, Laplace, NegativeBinomial, Normal, Poisson

LEAST_LOG_SIGMA = -6.0  # soft floor of the optimal sigma
COUNTS = ("poisson", "negative_binomial", "zero_inflated_negative_binomial")
DECAY = 0.99            # of the running mean squared error


class Likelihood(nn.Module):
    def __init__(self, case, shape):
        """`shape`: of a sample, with its channels first."""
        super().__init__()
        self.kind, self.sigma, self.scale, self.shape = case["objective.likelihood"], case["objective.sigma"], case["objective.scale"], shape
        self.variance = case["objective.variance"] if self.kind == "gaussian" else None
        self.spread = case["objective.spread"] if self.kind == "laplace" else None
        self.low, self.high = case["data.range"]
        if self.kind == "discretized_logistic":
            self.log_scale = nn.Parameter(torch.full((shape[0],), math.log(0.1 * (self.high - self.low))))
        if self.spread == "learned":
            self.log_scale = nn.Parameter(torch.zeros(shape[0]))
        if self.kind in COUNTS[1:]:
            self.log_theta = nn.Parameter(torch.zeros(math.prod(shape)))
        if self.variance == "learned":
            self.log_sigma = nn.Parameter(torch.zeros(()))
        if self.variance == "optimal":
            self.register_buffer("running_mse", torch.ones(()))
            self.register_buffer("num_batches_tracked", torch.zeros((), dtype=torch.int64))

    def takes_logits(self):
        return self.kind == "bernoulli" or self.kind in COUNTS

    def second_head(self):
        """What the decoder has to predict beside its output."""
        if self.variance in ("predicted", "predicted_shared"):
            return Head("values", least=-6.0) if self.variance == "predicted" else Head("sample", least=-12.0)
        if self.spread == "predicted":
            return Head("values", "log_scale_layer", -3.0)
        return Head("values", "zero_logits_layer") if self.kind == COUNTS[2] else None

    def axes(self):
        return tuple(range(-len(self.shape), 0))

    def log_prob(self, decoded, x):
        """log p(x|z) in nats. `decoded` (the output and that of the second head) and x: [..., C, space...], broadcast against each other; result [...]. In
        training mode `optimal` uses the mean squared error of this whole input, which must therefore belong to one replica."""
        output, second = decoded
        if self.kind == "bernoulli":
            values = Bernoulli(logits=output, validate_args=False).log_prob(x)
        elif self.kind == "discretized_logistic":
            values = self.log_of_bin(output, x)
        elif self.kind in COUNTS:
            values = self.log_of_counts(output, second, x)
        elif self.kind == "laplace":
            values = Laplace(output, self.laplace_scale(second)).log_prob(x)
        elif self.variance in ("predicted", "predicted_shared"):
            values = Normal(output, torch.exp(0.5 * second)).log_prob(x)
        else:
            values = Normal(output, torch.exp(self.log_sigma_for(((x - output) ** 2).mean()))).log_prob(x)
        return values.sum(self.axes())

    def of_channels(self, numbers):
        return numbers.reshape(-1, *[1] * (len(self.shape) - 1))

    def laplace_scale(self, second):
        if self.spread == "predicted":
            return torch.exp(second)
        return torch.exp(self.of_channels(self.log_scale)) if self.spread == "learned" else torch.tensor(self.scale)

    def expected_counts(self, output, x):
        """The softmax over all values of a sample, times the sample's total."""
        exponentials = torch.exp(output - output.amax(self.axes(), keepdim=True))
        return exponentials / exponentials.sum(self.axes(), keepdim=True) * x.sum(self.axes(), keepdim=True)

    def log_of_counts(self, output, second, x):
        mean = self.expected_counts(output, x)
        if self.kind == "poisson":
            return Poisson(mean).log_prob(x)
        theta = torch.exp(self.log_theta).reshape(self.shape)
        counts = NegativeBinomial(total_count=theta, probs=mean / (theta + mean)).log_prob(x)
        if self.kind == "negative_binomial":
            return counts
        unseen = torch.sigmoid(second)
        return torch.log(torch.where(x == 0, unseen, torch.zeros_like(unseen)) + (1 - unseen) * torch.exp(counts))

    def log_sigma_for(self, mse):
        if self.variance == "fixed":
            return torch.tensor(self.sigma).log()
        if self.variance == "learned":
            return self.log_sigma
        log_sigma = torch.log(torch.sqrt(mse if self.training else self.running_mse))
        return LEAST_LOG_SIGMA + torch.log1p(torch.exp(log_sigma - LEAST_LOG_SIGMA))

    def log_of_bin(self, mean, x):
        """The logistic distribution's mass between the midpoints of neighbouring grey levels; black gets the lower tail, white the upper one."""
        level = torch.round(255 * (x - self.low) / (self.high - self.low))
        half = (self.high - self.low) / 255 / 2

        def cdf(value):
            return 1 / (1 + torch.exp(-(value - mean) / torch.exp(self.of_channels(self.log_scale))))

        above = torch.where(level == 255, torch.ones_like(x), cdf(x + half))
        below = torch.where(level == 0, torch.zeros_like(x), cdf(x - half))
        return torch.log(above - below)

    def track(self, mse):
        """Updates the running mean squared error with a step's: a plain mean over the first hundred steps, an exponential one after that."""
        if self.variance == "optimal":
            share = max(1 / (self.num_batches_tracked.item() + 1), 1 - DECAY)
            self.running_mse += share * (mse - self.running_mse)
            self.num_batches_tracked += 1

    def mean_image(self, decoded, x):
        """E[x|z], of counts with the total of x."""
        output, second = decoded
        if self.kind == "bernoulli":
            return torch.sigmoid(output)
        if self.kind not in COUNTS:
            return output
        mean = self.expected_counts(output, x)
        return mean * (1 - torch.sigmoid(second)) if self.kind == COUNTS[2] else mean
