"""What terms of a whole batch say on 1 to 16 ranks, under plain data parallelism in PyTorch and here:
  python tests/bench/whole_batch_values.py build/tests/bench/bench_whole_batch_values
Ten independent latents, 60,000 training samples, a global batch of 512; posteriors whose aggregate is the prior: z = mu + sigma eps, mu ~ N(0, 1 - sigma^2).
Total correlation, discrepancy and covariances of the population are 0. Means over five batches."""
import math
import pathlib
import subprocess
import sys
import tempfile

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "golden"))
import safetensors_file  # noqa: E402

program = sys.argv[1]
LATENTS, TRAINING_SAMPLES, BATCH, BATCHES, RANKS = 10, 60000, 512, 5, (1, 2, 4, 8, 16)
CONSTANT = (LATENTS - 1) * math.log(TRAINING_SAMPLES)
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def log_normal(x, mu, log_var):
    return -0.5 * ((x - mu) ** 2 * torch.exp(-log_var) + log_var + math.log(2 * math.pi))


def total_correlation(rows, own, other):
    """own, other: weights of a code's own posterior and of each other one."""
    mu, log_var, z, _ = rows
    log_q = log_normal(z[:, None], mu[None], log_var[None])
    log_weights = torch.log(torch.where(torch.eye(len(z), dtype=torch.bool), own, other))
    return (torch.logsumexp(log_weights + log_q.sum(2), 1) - torch.logsumexp(log_weights[:, :, None] + log_q, 1).sum(1)).mean().item()


def stratified(rows):
    count, n = len(rows[0]), TRAINING_SAMPLES
    return total_correlation(rows, torch.tensor(1 / n), torch.tensor((n - 1) / (n * (count - 1))))


def unweighted(rows):
    """With weights 1 / samples. The estimator `weighted` has 1 / (N samples), which adds the constant CONSTANT."""
    return total_correlation(rows, *[torch.tensor(1 / len(rows[0]))] * 2)


def of_all_training_rows(rows, training):
    """Total correlation with q(z) the mixture of all training posteriors, those of the batch among them."""
    z, (mu, log_var) = rows[2], training
    joint, each = [], []
    for code in z:
        log_q = log_normal(code, mu, log_var) - math.log(len(mu))
        joint.append(torch.logsumexp(log_q.sum(1) + (LATENTS - 1) * math.log(len(mu)), 0))
        each.append(torch.logsumexp(log_q, 0).sum())
    return (torch.stack(joint) - torch.stack(each)).mean().item()


def kernel(a, b):
    return torch.exp(-((a[:, None] - b[None]) ** 2).sum(2) / (2 * LATENTS))


def discrepancy_v(rows):
    _, _, z, prior = rows
    return (kernel(z, z).mean() + kernel(prior, prior).mean() - 2 * kernel(z, prior).mean()).item()


def discrepancy_u(rows):
    _, _, z, prior = rows
    others = ~torch.eye(len(z), dtype=torch.bool)
    return (kernel(z, z)[others].mean() + kernel(prior, prior)[others].mean() - 2 * kernel(z, prior).mean()).item()


def covariances(rows):
    matrix = torch.cov(rows[0].T, correction=0)
    return ((matrix ** 2).sum() - (matrix.diagonal() ** 2).sum()).item()


def free_bits(rows):
    """With a bound at the KL that each latent has."""
    mu, log_var, _, _ = rows
    kl = (0.5 * (mu ** 2 + torch.exp(log_var) - 1 - log_var)).mean(0)
    return torch.clamp(kl, min=-log_var[0, 0].item() / 2).sum().item()


# In PyTorch, the name here, the digits
ESTIMATORS = {"total correlation, stratified (nats)": (stratified, "tc", 2), "total correlation, unweighted (nats)": (unweighted, "tc_2", 2),
              "mmd, V-statistic": (discrepancy_v, "mmd", 5), "mmd, U-statistic": (discrepancy_u, "mmd_2", 5),
              "dip, squares off the diagonal": (covariances, "dip", 3), "KL with free bits (nats)": (free_bits, "loss", 3)}


def draw(sigma, seed):
    random = torch.Generator().manual_seed(seed)
    mu = math.sqrt(1 - sigma ** 2) * torch.randn(TRAINING_SAMPLES, LATENTS, generator=random)
    log_var = torch.full_like(mu, 2 * math.log(sigma))
    of_batch = mu[:BATCH], log_var[:BATCH]
    noise, prior = torch.randn(2, BATCH, LATENTS, generator=random)
    return (*of_batch, of_batch[0] + sigma * noise, prior), (mu, log_var)


def data_parallel(estimate, rows, ranks):
    """The mean over ranks, each with its own part of the batch."""
    return sum(estimate(part) for part in zip(*(field.chunk(ranks) for field in rows))) / ranks


def ours(rows, sigma):
    """Values by number of ranks and name."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "codes.safetensors"
        safetensors_file.write(file, dict(zip(("mu", "log_var", "z", "prior"), rows)), {})
        printed = subprocess.run([program, file, str(TRAINING_SAMPLES), repr(-math.log(sigma))], check=True, text=True, capture_output=True).stdout
    return {(int(ranks), name): float(value) - (CONSTANT if name == "tc_2" else 0) for ranks, name, value in map(str.split, printed.splitlines())}


def mean(values):
    return sum(values) / len(values)


def main():
    print("| sigma | estimator | " + " | ".join(f"PyTorch, {ranks}" for ranks in RANKS) + " | here, 1 to 16 | largest difference |")
    print("|---" * (len(RANKS) + 4) + "|")
    for sigma in (0.2, 0.4):
        drawn = [draw(sigma, seed) for seed in range(BATCHES)]
        here = [ours(rows, sigma) for rows, _ in drawn]
        for title, (estimate, name, digits) in ESTIMATORS.items():
            cells = [f"{mean([data_parallel(estimate, rows, ranks) for rows, _ in drawn]):.{digits}f}" for ranks in RANKS]
            of_ranks = [mean([values[ranks, name] for values in here]) for ranks in RANKS]
            difference = max(abs(values[ranks, name] - values[1, name]) for values in here for ranks in RANKS)
            print(f"| {sigma} | {title} | {' | '.join(cells)} | {of_ranks[0]:.{digits}f} | {difference:.0e} |", flush=True)
        print(f"| {sigma} | total correlation against all {TRAINING_SAMPLES:,} posteriors (nats) | "
              + f"{mean([of_all_training_rows(*each) for each in drawn]):.2f}" + " |" * (len(RANKS) + 2), flush=True)


if __name__ == "__main__":
    main()
