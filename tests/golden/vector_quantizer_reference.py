"""A codebook that follows an encoder (van den Oord et al. 2017, appendix A.1) in plain PyTorch: one vector after the other."""
import torch
from torch import nn


class Codebook(nn.Module):
    def __init__(self, size, groups, width, decay):
        super().__init__()
        self.groups, self.decay, self.epsilon, self.seen = groups, decay, 1e-5, []
        self.register_buffer("codebook", torch.randn(size, width))
        self.register_buffer("counts", torch.ones(size))
        self.register_buffer("sums", self.codebook.clone())
        self.register_buffer("unused_steps", torch.zeros(size))

    def nearest(self, z):
        """The number of the nearest code of each vector: [B, groups]."""
        return torch.cdist(z.detach().reshape(len(z), self.groups, -1), self.codebook, compute_mode="donot_use_mm_for_euclid_dist").argmin(2)

    def margin(self, z):
        """By how much the nearest code of any vector is nearer than the second nearest."""
        vectors = z.detach().reshape(-1, self.codebook.shape[1])
        first, second = torch.cdist(vectors, self.codebook).topk(2, largest=False).values.T
        return (second - first).min().item()

    def codes(self, z):
        return self.codebook[self.nearest(z)].reshape(z.shape)

    def forward(self, z):
        """The codes in place of the vectors, and gradients as if they were the vectors."""
        if self.training:
            self.seen.append(z.detach())
        return z + (self.codes(z) - z).detach()

    def use(self, z):
        """The perplexity of the codes, and how many of them occur."""
        counts = torch.bincount(self.nearest(z).flatten(), minlength=len(self.codebook))
        shares = (counts / counts.sum())[counts > 0]
        return torch.exp(-(shares * torch.log(shares)).sum()), (counts > 0).sum().double()

    def follow(self):
        """Moves the codes towards the vectors that were seen since the last call."""
        z = torch.cat(self.seen)
        self.seen = []
        owners = self.nearest(z).flatten().tolist()
        vectors = z.reshape(len(owners), -1)
        for k in range(len(self.codebook)):
            mine = [vector for owner, vector in zip(owners, vectors) if owner == k]
            self.counts[k] = self.decay * self.counts[k] + (1 - self.decay) * len(mine)
            self.sums[k] = self.decay * self.sums[k] + (1 - self.decay) * sum(mine, torch.zeros_like(self.sums[k]))
            self.unused_steps[k] = 0 if mine else self.unused_steps[k] + 1
        total = self.counts.sum()
        for k in range(len(self.codebook)):
            count = (self.counts[k] + self.epsilon) / (total + len(self.codebook) * self.epsilon) * total
            self.codebook[k] = self.sums[k] / count
