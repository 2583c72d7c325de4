"""p(x|z) in plain PyTorch, from torch.distributions where possible; the discretized logistic follows its definition."""
import math

import torch
from torch import nn
from torch.distributions import Bernoulli, Normal

LEAST_LOG_SIGMA = -6.0  # soft floor of the optimal sigma
DECAY = 0.99            # of the running mean squared error


class Likelihood(nn.Module):
    def __init__(self, kind, variance, sigma, low, high, channels):
        super().__init__()
        self.kind, self.variance, self.sigma, self.low, self.high = kind, variance if kind == "gaussian" else None, sigma, low, high
        if kind == "discretized_logistic":
            self.log_scale = nn.Parameter(torch.full((channels,), math.log(0.1 * (high - low))))
        if self.variance == "learned":
            self.log_sigma = nn.Parameter(torch.zeros(()))
        if self.variance == "optimal":
            self.register_buffer("running_mse", torch.ones(()))
            self.register_buffer("num_batches_tracked", torch.zeros((), dtype=torch.int64))

    def log_prob(self, decoded, x):
        """log p(x|z) in nats. `decoded` (output and log variance) and x: [..., C, H, W], broadcast against each other; result [...]. In training mode
        `optimal` uses the mean squared error of this whole input, which must therefore belong to one replica."""
        output, log_variance = decoded
        if self.kind == "bernoulli":
            values = Bernoulli(logits=output, validate_args=False).log_prob(x)
        elif self.kind == "discretized_logistic":
            values = self.log_of_bin(output, x)
        elif self.variance in ("predicted", "predicted_shared"):
            values = Normal(output, torch.exp(0.5 * log_variance)).log_prob(x)
        else:
            values = Normal(output, torch.exp(self.log_sigma_for(((x - output) ** 2).mean()))).log_prob(x)
        return values.sum((-3, -2, -1))

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
            return 1 / (1 + torch.exp(-(value - mean) / torch.exp(self.log_scale)[:, None, None]))

        above = torch.where(level == 255, torch.ones_like(x), cdf(x + half))
        below = torch.where(level == 0, torch.zeros_like(x), cdf(x - half))
        return torch.log(above - below)

    def track(self, mse):
        """Updates the running mean squared error with a step's: a plain mean over the first hundred steps, an exponential one after that."""
        if self.variance == "optimal":
            share = max(1 / (self.num_batches_tracked.item() + 1), 1 - DECAY)
            self.running_mse += share * (mse - self.running_mse)
            self.num_batches_tracked += 1

    def mean_image(self, output):
        return torch.sigmoid(output) if self.kind == "bernoulli" else output
