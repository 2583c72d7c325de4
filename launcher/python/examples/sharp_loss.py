"""A loss of one's own: beside squared error and KL, how much the differences between neighbouring pixels differ, which keeps edges sharp
(the gradient difference loss of Mathieu, Couprie, LeCun 2016, eq. 6, with squares):

    python sharp_loss.py sharp.pt --weight 0.5
    vae_dist --config my.yaml objective.name=script objective.script=sharp.pt
"""
import argparse

import torch
from torch import Tensor, nn


class SharpLoss(nn.Module):
    def __init__(self, weight: float):
        super().__init__()
        self.weight = weight

    def between_neighbours(self, x: Tensor, axis: int) -> Tensor:
        return x.narrow(axis, 1, x.size(axis) - 1) - x.narrow(axis, 0, x.size(axis) - 1)

    def forward(self, x: Tensor, outputs: dict[str, Tensor], weights: dict[str, Tensor]) -> dict[str, Tensor]:
        made, mu, log_var = outputs["reconstruction"], outputs["mu"], outputs["log_var"]
        error = (made - x).square().mean()
        kl = 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum(1).mean()
        edges = torch.zeros_like(error)
        for axis in (-1, -2):
            edges = edges + (self.between_neighbours(made, axis) - self.between_neighbours(x, axis)).square().mean()
        return {"loss": error + weights["kld_weight"] * kl + self.weight * edges, "squared_error": error, "kl": kl, "edges": edges}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--weight", type=float, default=0.5, help="of the differences between neighbours")
    chosen = parser.parse_args()
    torch.jit.script(SharpLoss(chosen.weight)).save(chosen.out)
