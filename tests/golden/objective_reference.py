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
    if case["model.name"] == "decoder_only":
        return latent * math.ceil(case["objective.prior_samples"] * case["distributed.replicas"] / case["train.global_batch"])
    of_posterior = 0 if case["model.name"] == "autoencoder" else latent * case["objective.importance_samples"]
    return of_posterior + (latent if compares_with_prior(case) else 0)


def compares_with_prior(case):
    """Whether a regulariser needs a draw of the prior for each sample: the last of the sample's noise."""
    return any(regulariser["name"] == "mmd" for regulariser in case["objective.regularisers"])


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


def draw_counts(case):
    """For which numbers of draws a decoder-only model reports an estimate of log p."""
    counts = [4 ** power for power in range(20) if 4 ** power < case["objective.prior_samples"]]
    return [*counts, case["objective.prior_samples"]]


def log_mean(log_weights):
    return torch.logsumexp(log_weights - math.log(log_weights.shape[1]), dim=1)


def effective_samples(log_weights):
    """One over the sum of the squared normalised weights."""
    return 1 / (torch.softmax(log_weights, dim=1) ** 2).sum(1)


def is_one_batch(case):
    """Whether the objective is a function of the whole batch, whatever the replicas are."""
    return case["objective.scope"] == "global" and case["model.name"] != "decoder_only" and case["objective.importance_samples"] == 1


def terms(model, case, x, noise, step, replicas=1, y=None):
    """Loss, reconstruction, KL, then the other terms, as one row of scalars. Several replicas (synchronised batch statistics) pass through the network as
    one batch. Quantities of a whole batch are computed per replica, and the row is the mean over replicas."""
    if case["model.name"] == "decoder_only":
        rows = noise.chunk(replicas)
        latents = [row.reshape(-1, model.latent_dim)[:case["objective.prior_samples"]] for row in rows]
        outputs, seconds = model.decode_both(torch.cat(latents))
        parts = [decoder_terms(model, case, image, decoded) for image, decoded in zip(x.chunk(replicas), pairs(outputs, seconds, replicas))]
        return torch.stack(parts).mean(0)
    chunks = [[None] * replicas if field is None else field.chunk(replicas) for field in pass_through(model, case, x, noise, y)]
    return torch.stack([encoder_terms(model, case, *of_replica, step) for of_replica in zip(*chunks)]).mean(0)


def terms_of_one_batch(model, case, batches, step):
    """The same row for a batch whose parts passed through the network one after the other (results of pass_through())."""
    joined = [None if fields[0] is None else torch.cat(fields) for fields in zip(*batches)]
    return encoder_terms(model, case, *joined, step)


def pass_through(model, case, x, noise, y=None):
    """x, mu, log_var, z, draws of the prior, output, second output. z and the outputs have `importance_samples` rows per image; what a model does not have
    is None."""
    mu, log_var = model.encode(x, y)
    prior = None
    if compares_with_prior(case):
        noise, prior = noise[:, :-model.latent_dim], noise[:, -model.latent_dim:]
    draws = case["objective.importance_samples"]
    if log_var is None:
        z = mu
    else:
        eps = noise.reshape(len(x) * draws, model.latent_dim)
        z = mu.repeat_interleave(draws, 0) + torch.exp(0.5 * log_var.repeat_interleave(draws, 0)) * eps
    return x, mu, log_var, z, prior, *model.decode_both(in_codes(model, z), None if y is None else y.repeat_interleave(len(z) // len(x), 0))


def in_codes(model, z):
    """What the decoder reads: z itself, unless the model has a codebook."""
    return model.codes(z) if hasattr(model, "codes") else z


def pairs(outputs, seconds, replicas):
    return list(zip(outputs.chunk(replicas), [None] * replicas if seconds is None else seconds.chunk(replicas)))


def decoder_terms(model, case, x, decoded):
    output, second = decoded
    log_p = model.likelihood.log_prob((output[None], None if second is None else second[None]), x[:, None])  # [B, K]
    loss = -log_mean(log_p).mean()
    if case["objective.reduction"] == "mean":
        loss = loss / x[0].numel()
    estimates = [log_mean(log_p[:, :count]).mean() for count in draw_counts(case)]
    return torch.stack([loss, loss, torch.zeros(()), effective_samples(log_p).mean(), *estimates])


def encoder_terms(model, case, x, mu, log_var, z, prior_draws, output, second, step):
    """The terms of one replica, or of the whole batch."""
    likelihood, decoded = model.likelihood, (output, second)
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
    penalty, values = regularisers(case, mu, log_var, z, prior_draws, step)
    if hasattr(model, "codes"):
        others += model.codes.use(z)
        distance = ((z - model.codes.codes(z)) ** 2).sum(1).mean() / (z.shape[1] if case["objective.reduction"] == "mean" else 1)
        penalty, values = penalty + case["model.codes.commitment"] * distance, [*values, distance.detach()]
    if log_var is None:
        return torch.stack([reconstruction + penalty, reconstruction, torch.zeros(()), *others, *values])

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
    return torch.stack([loss + penalty, reconstruction, kld, *others, *values])


def squared_error_of(case, row):
    """The squared error in a row of terms of a likelihood with the optimal sigma: after the effective samples, if there are any."""
    return row[3 + (case["objective.importance_samples"] > 1)]


def regularisers(case, mu, log_var, z, prior_draws, step):
    """The sum of all regularisers with their weights at a step, and the list of their values without weights."""
    penalty, values = torch.zeros(()), []
    for given in case["objective.regularisers"]:
        weight = given["weight"]
        if given["name"] == "tc":
            parts = total_correlation(mu, log_var, z, case["training_samples"], given.get("estimator", "stratified"))
            weights = [weight, given.get("index_code", 0), given.get("dimension_wise", 0)]
        elif given["name"] == "mmd":
            parts = [mean_discrepancy(z, prior_draws, given.get("kernel", "imq"), given.get("estimator", "unbiased"), given.get("sigma", 1))]
            weights = [weight]
        elif given["name"] == "dip":
            parts = covariance_penalties(mu, log_var, given.get("kind", "ii"))
            weights = [weight, given.get("diagonal_weight", 10 * weight if given.get("kind") == "i" else weight)]
        elif given["name"] == "code_l2":
            parts, weights = [(mu ** 2).sum(1).mean() / 2], [weight]
        else:
            raise KeyError(given["name"])
        ramp = min(1, step / given["steps"]) if given.get("schedule") == "linear" else 1
        # Weights are given beside a bound in nats, in which the KL has the weight 1.
        nats = kld_weight(case) if case["model.name"] in WITH_POSTERIOR and case["objective.reduction"] == "mean" and given["name"] != "code_l2" else 1
        for part, factor in zip(parts, weights):
            penalty = penalty + ramp * nats * factor * part
            values.append(part.detach())
    return penalty, values


def total_correlation(mu, log_var, z, training_samples, estimator):
    """The three parts of the KL of the aggregate posterior (Chen et al. 2018, eq. 2): total correlation, mutual information of sample and code, and the KL of
    each dimension. A code's own posterior is one of N; the others of the batch stand for all N - 1 others (their appendix C)."""
    count, n = len(z), training_samples
    log_q = Normal(mu, torch.exp(0.5 * log_var)).log_prob(z[:, None])  # [code i, posterior j, dimension]
    if estimator == "stratified":
        weights = [[1 / n if i == j else (n - 1) / (n * (count - 1)) for j in range(count)] for i in range(count)]
    else:
        weights = [[1 / (n * count)] * count] * count
    log_weights = torch.log(torch.tensor(weights))
    log_q_z = torch.logsumexp(log_weights + log_q.sum(2), 1)
    log_q_each = torch.logsumexp(log_weights[:, :, None] + log_q, 1).sum(1)
    log_q_own = torch.stack([log_q[i, i].sum() for i in range(count)])
    log_p = Normal(0.0, 1.0).log_prob(z).sum(1)
    return [(log_q_z - log_q_each).mean(), (log_q_own - log_q_z).mean(), (log_q_each - log_p).mean()]


def mean_discrepancy(z, prior, kernel, estimator, sigma):
    """The maximum mean discrepancy between codes and draws of the prior (Tolstikhin et al. 2018, algorithm 2; biased: with the pairs of equals)."""
    width = 2 * z.shape[1] * sigma ** 2

    def similarities(a, b):
        distances = ((a[:, None] - b[None]) ** 2).sum(2)
        if kernel == "rbf":
            return torch.exp(-distances / width)
        return sum(width * scale / (width * scale + distances) for scale in (0.1, 0.2, 0.5, 1, 2, 5, 10))

    def mean_within(a):
        matrix = similarities(a, a)
        return matrix.mean() if estimator == "biased" else matrix[~torch.eye(len(a), dtype=torch.bool)].mean()

    return mean_within(z) + mean_within(prior) - 2 * similarities(z, prior).mean()


def covariance_penalties(mu, log_var, kind):
    """Squared covariances of different latent values, and squared distances of variances from 1 (Kumar et al. 2018, eqs. 6 and 7)."""
    covariance = torch.cov(mu.T, correction=0)
    if kind == "ii":
        covariance = covariance + torch.diag(torch.exp(log_var).mean(0))
    count = len(covariance)
    across = sum(covariance[i, j] ** 2 for i in range(count) for j in range(count) if i != j)
    return [across, sum((covariance[i, i] - 1) ** 2 for i in range(count))]
