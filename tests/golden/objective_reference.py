"""The training objective in plain PyTorch, and its weights as functions of the step. A case is a dictionary of configuration keys."""
import math

import torch
from torch.distributions import Normal, kl_divergence

WITH_POSTERIOR = ("vanilla_vae", "mlp_vae", "resnet_vae")


def shape_of(case):
    """A sample's channels and space axes."""
    return (case["channels"], *(case["space"] if "space" in case else (case["height"], case["width"])))


def noise_per_sample(case, latent):
    """Noise values per sample. The draws of a decoder-only model are shared by a replica, so each sample holds its part of them, rounded up."""
    if case["model.name"] == "autoencoder":
        return 0
    if case["model.name"] == "decoder_only":
        return latent * math.ceil(case["objective.prior_samples"] * case["distributed.replicas"] / case["train.global_batch"])
    return latent * case["objective.importance_samples"]


def kld_weight(case):
    """M_N according to its rule."""
    rule, reduction = case["objective.kld_weight.rule"], case["objective.reduction"]
    plain = (case["objective.likelihood"], case["objective.variance"], reduction) == ("gaussian", "fixed", "mean")
    if rule == "auto":
        rule = "reference" if plain else "elbo"
    values = math.prod(shape_of(case))
    return {"reference": case["objective.kld_weight.weight"] * case["train.global_batch"] / case["objective.kld_weight.batch"],
            "batch_over_dataset": case["train.global_batch"] / case["training_samples"],
            "fixed": case["objective.kld_weight.weight"],
            "elbo": 1.0 if reduction == "sum" else 1.0 / values}[rule]


def beta(case, step):
    first, last = case["objective.beta.from"], case["objective.beta.to"]
    schedule = case["objective.beta.schedule"]
    if schedule == "constant":
        return case["objective.beta.value"]
    if schedule == "linear":
        return last if step >= case["objective.beta.steps"] else first + (last - first) * step / case["objective.beta.steps"]
    period = case["objective.beta.period_steps"]
    rise = period * case["objective.beta.ratio"]
    place = step % period
    return last if place >= rise else first + (last - first) * place / rise


def kld_factor(case, step):
    return kld_weight(case) * beta(case, step) if case["model.name"] in WITH_POSTERIOR else 0.0


def capacity(case, step):
    if not case["objective.capacity.gamma"]:
        return 0.0
    return case["objective.capacity.max_nats"] * min(1.0, step / case["objective.capacity.steps"])


def other_terms(model, case):
    """Which terms are reported besides the three: effective samples, estimates of log p (for these numbers of draws), and the squared error."""
    if case["model.name"] == "decoder_only":
        counts = [4 ** power for power in range(20) if 4 ** power < case["objective.prior_samples"]]
        return True, [*counts, case["objective.prior_samples"]], False
    return case["objective.importance_samples"] > 1, [], model.likelihood.variance == "optimal"


def log_mean(log_weights):
    return torch.logsumexp(log_weights - math.log(log_weights.shape[1]), dim=1)


def effective_samples(log_weights):
    """One over the sum of the squared normalised weights."""
    return 1 / (torch.softmax(log_weights, dim=1) ** 2).sum(1)


def terms(model, case, x, noise, step, replicas=1, y=None):
    """Loss, reconstruction, KL, then the other terms, as one row of scalars. Several replicas (synchronised batch statistics) pass through the network as
    one batch. Quantities of a whole batch are computed per replica, and the row is the mean over replicas."""
    if case["model.name"] == "decoder_only":
        rows = noise.chunk(replicas)
        latents = [row.reshape(-1, model.latent_dim)[:case["objective.prior_samples"]] for row in rows]
        outputs, seconds = model.decode_both(torch.cat(latents))
        parts = [decoder_terms(model, case, image, decoded) for image, decoded in zip(x.chunk(replicas), pairs(outputs, seconds, replicas))]
        return torch.stack(parts).mean(0)

    mu, log_var = model.encode(x, y)
    draws = case["objective.importance_samples"]
    if log_var is None:
        z = mu
    else:
        eps = noise.reshape(len(x) * draws, model.latent_dim)
        z = mu.repeat_interleave(draws, 0) + torch.exp(0.5 * log_var.repeat_interleave(draws, 0)) * eps
    outputs, seconds = model.decode_both(z, None if y is None else y.repeat_interleave(len(z) // len(x), 0))
    log_vars = [None] * replicas if log_var is None else log_var.chunk(replicas)
    parts = [encoder_terms(model, case, *of_replica, step)
             for of_replica in zip(x.chunk(replicas), mu.chunk(replicas), log_vars, z.chunk(replicas), pairs(outputs, seconds, replicas))]
    return torch.stack(parts).mean(0)


def pairs(outputs, seconds, replicas):
    return list(zip(outputs.chunk(replicas), [None] * replicas if seconds is None else seconds.chunk(replicas)))


def decoder_terms(model, case, x, decoded):
    output, second = decoded
    log_p = model.likelihood.log_prob((output[None], None if second is None else second[None]), x[:, None])  # [B, K]
    loss = -log_mean(log_p).mean()
    if case["objective.reduction"] == "mean":
        loss = loss / x[0].numel()
    estimates = [log_mean(log_p[:, :count]).mean() for count in other_terms(model, case)[1]]
    return torch.stack([loss, loss, torch.zeros(()), effective_samples(log_p).mean(), *estimates])


def encoder_terms(model, case, x, mu, log_var, z, decoded, step):
    """The terms of one replica. z and decoded have `importance_samples` rows per image."""
    likelihood, output = model.likelihood, decoded[0]
    repeated = x.repeat_interleave(len(z) // len(x), 0)
    squared_error = ((output - repeated) ** 2).mean()
    nats = -likelihood.log_prob(decoded, repeated)
    if case["objective.reduction"] == "sum":
        reconstruction = nats.mean()
    elif likelihood.kind == "gaussian" and likelihood.variance == "fixed":
        reconstruction = squared_error
    else:
        reconstruction = nats.mean() / x[0].numel()
    others = [squared_error.detach()] if likelihood.variance == "optimal" else []
    if log_var is None:
        return torch.stack([reconstruction, reconstruction, torch.zeros(()), *others])

    posterior, prior = Normal(mu, torch.exp(0.5 * log_var)), Normal(torch.zeros_like(mu), torch.ones_like(mu))
    per_dimension = kl_divergence(posterior, prior)
    kld = per_dimension.sum(1).mean()
    if case["objective.importance_samples"] > 1:
        each = z.reshape(len(x), -1, mu.shape[1])
        ratio = (Normal(0.0, 1.0).log_prob(each) - Normal(mu[:, None], torch.exp(0.5 * log_var)[:, None]).log_prob(each)).sum(2)
        log_weights = ratio - nats.reshape(len(x), -1)
        return torch.stack([-log_mean(log_weights).mean(), reconstruction, kld, effective_samples(log_weights).mean(), *others])
    if case["objective.capacity.gamma"]:
        loss = reconstruction + case["objective.capacity.gamma"] * torch.abs(kld - capacity(case, step))
    else:
        charged = torch.clamp(per_dimension.mean(0), min=case["objective.free_bits"]).sum()
        loss = reconstruction + kld_factor(case, step) * charged
    return torch.stack([loss, reconstruction, kld, *others])
