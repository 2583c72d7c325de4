"""The cases of the golden tests: configuration keys (names with a dot) and facts about the data (names without)."""

# The defaults of all keys, repeated here so that a changed default is noticed.
DEFAULTS = {
    "model.name": "vanilla_vae", "model.activation": "leaky_relu", "model.output": "auto", "model.latent": "flat", "model.blocks": 2, "model.attention_at": [16],
    "model.codes.kind": "continuous", "model.codes.size": 512, "model.codes.groups": 1, "model.codes.commitment": 0.25, "model.codes.decay": 0.99, "model.codes.restart_after": 100,
    "objective.likelihood": "gaussian", "objective.variance": "fixed", "objective.sigma": 1.0, "objective.spread": "fixed", "objective.scale": 1.0, "objective.reduction": "mean",
    "objective.kld_weight.rule": "auto", "objective.kld_weight.weight": 0.00025, "objective.kld_weight.batch": 64,
    "objective.beta.schedule": "constant", "objective.beta.value": 1.0, "objective.beta.from": 0.0, "objective.beta.to": 1.0, "objective.beta.ratio": 0.5,
    "objective.free_bits": 0.0, "objective.capacity.gamma": None, "objective.importance_samples": 1, "objective.prior_samples": 64,
    "objective.scope": "global", "objective.regularisers": [],
    "data.range": [0, 1],
    "train.optimizer.name": "adam", "train.optimizer.learning_rate": 0.001, "train.optimizer.betas": [0.9, 0.999], "train.optimizer.epsilon": 1e-8,
    "train.optimizer.weight_decay": 0.0, "train.optimizer.momentum": 0.0, "train.learning_rate_batch": None, "train.schedule.name": "constant", "train.schedule.warmup_steps": 0,
    "train.schedule.gamma": 0.95, "train.schedule.per": "epoch", "train.schedule.final_learning_rate": 0.0, "train.schedule.milestones": [],
    "train.gradient_clip_norm": None, "distributed.batch_norm": "local",
    "batches_tracked": 3,    # optimal sigma: batches already in the running error
    "log_variance_bias": 0,  # predicted variance: added to the second head's
    "condition_values": 0,   # of each sample
}

# Shared by all cases that do not override it. Sizes are odd and small, so that a case takes milliseconds.
COMMON = {"channels": 2, "height": 9, "width": 12, "training_samples": 1000, "steps_per_epoch": 3, "model.hidden_dims": [4, 6], "model.latent_dim": 3,
          "train.global_batch": 8, "distributed.replicas": 1}

COLOUR_32 = {"channels": 3, "height": 32, "width": 32, "model.hidden_dims": [6, 8, 10], "model.latent_dim": 5}
GREY_28 = COLOUR_32 | {"channels": 1, "height": 28, "width": 28}
ODD = COLOUR_32 | {"height": 45, "width": 27}
TANH_RANGE = {"data.range": [-1, 1]}
SUM = {"objective.reduction": "sum"}
REPLICAS_4 = {"train.global_batch": 16, "distributed.replicas": 4}
SYNC_4 = REPLICAS_4 | {"distributed.batch_norm": "sync"}
WITHIN_REPLICAS = {"objective.scope": "replica"}
MLP = {"model.name": "mlp_vae", "model.hidden_dims": [11, 7]}
RESNET = {"model.name": "resnet_vae", "model.blocks": 1, "model.attention_at": []}
DECODER = {"model.name": "decoder_only", "objective.prior_samples": 10}
AUTOENCODER = {"model.name": "autoencoder"}
QUANTIZED = {"model.name": "autoencoder", "model.codes.kind": "vector_quantized", "model.latent_dim": 6, "model.codes.size": 7, "model.codes.groups": 3, "model.codes.decay": 0.8,
             "model.codes.restart_after": "null"}
BERNOULLI = {"objective.likelihood": "bernoulli"}
LOGISTIC = {"objective.likelihood": "discretized_logistic"}


def fixed_weight(weight):
    return {"objective.kld_weight.rule": "fixed", "objective.kld_weight.weight": weight}


def variance(name):
    return {"objective.variance": name}


def beta(schedule, **keys):
    return {"objective.beta.schedule": schedule} | {"objective.beta." + key: value for key, value in keys.items()}


def capacity(gamma, max_nats, steps):
    return {"objective.capacity.gamma": gamma, "objective.capacity.max_nats": max_nats, "objective.capacity.steps": steps}


def draws(count):
    return SUM | {"objective.importance_samples": count}


def regulariser(name, weight, **keys):
    return {"objective.regularisers": [{"name": name, "weight": weight} | keys]}


def regularisers(*cases):
    return {"objective.regularisers": [each for case in cases for each in case["objective.regularisers"]]}


def schedule(name, **keys):
    return {"train.schedule.name": name} | {"train.schedule." + key: value for key, value in keys.items()}


CASES = {
    # The original network and objective: sizes, activations, optimizers, replicas.
    "colour_64": COLOUR_32 | {"height": 64, "width": 64, "model.hidden_dims": [4, 6, 8, 12, 16], "model.latent_dim": 7},
    "grey_28": GREY_28 | fixed_weight(0.00025),
    "odd_size": ODD | fixed_weight(0.01),
    "one_level": {"channels": 1, "height": 9, "width": 14, "model.hidden_dims": [5]},
    "tanh_output": COLOUR_32 | {"data.range": [-1, 1], "model.output": "tanh", "model.activation": "relu"},
    "identity_output": COLOUR_32 | TANH_RANGE | {"model.output": "identity", "model.activation": "silu"},
    "tanh_activation": COLOUR_32 | {"model.activation": "tanh"},
    "sum": COLOUR_32 | SUM | {"objective.sigma": 0.3},
    "sum_tanh_odd_size": ODD | SUM | TANH_RANGE | {"objective.beta.value": 2.5},
    "large_batch": GREY_28 | {"train.global_batch": 64, "train.optimizer.learning_rate": 0.01} | fixed_weight(0.01),
    "adam_weight_decay": {"train.optimizer.weight_decay": 0.1},
    "adam_betas_epsilon": {"train.optimizer.betas": [0.5, 0.9], "train.optimizer.epsilon": 0.001},
    "adamax": {"train.optimizer.name": "adamax", "train.optimizer.weight_decay": 0.1, "train.optimizer.learning_rate": 0.002},
    "sgd": {"train.optimizer.name": "sgd", "train.optimizer.learning_rate": 0.5},
    "sgd_momentum_weight_decay": {"train.optimizer.name": "sgd", "train.optimizer.learning_rate": 0.1, "train.optimizer.momentum": 0.9, "train.optimizer.weight_decay": 0.01},
    "adamw": {"train.optimizer.name": "adamw", "train.optimizer.weight_decay": 0.1, "train.optimizer.learning_rate": 0.005},
    "clipped": {"train.gradient_clip_norm": 0.01},
    "clip_norm_not_reached": {"train.gradient_clip_norm": 1000.0},
    "replicas_4": COLOUR_32 | REPLICAS_4,
    "replicas_4_sum_clipped": COLOUR_32 | REPLICAS_4 | SUM | {"train.gradient_clip_norm": 5.0},

    # M_N, and the alternatives to M_N * beta * KL.
    "kld_reference": {"train.global_batch": 12, "objective.kld_weight.rule": "reference", "objective.kld_weight.weight": 0.02, "objective.kld_weight.batch": 7},
    "kld_batch_over_dataset": REPLICAS_4 | {"objective.kld_weight.rule": "batch_over_dataset", "training_samples": 700},
    "kld_elbo_mean": {"objective.kld_weight.rule": "elbo"},
    "kld_fixed_sum": SUM | fixed_weight(3.5),
    "beta_linear": fixed_weight(0.02) | beta("linear", **{"from": 0.5, "to": 4.0, "steps": 6}),
    "beta_cyclical": fixed_weight(0.02) | beta("cyclical", **{"from": 0.25, "to": 2.0, "period_steps": 4, "ratio": 0.6}),
    "free_bits": fixed_weight(0.1) | {"objective.free_bits": 0.16},
    "free_bits_replicas_4": REPLICAS_4 | WITHIN_REPLICAS | SUM | {"objective.free_bits": 0.16},
    "free_bits_sync_replicas_4": SYNC_4 | WITHIN_REPLICAS | SUM | {"objective.free_bits": 0.16},
    "capacity": SUM | capacity(5.0, 3.0, 6),
    "capacity_replicas_4": REPLICAS_4 | WITHIN_REPLICAS | capacity(0.3, 0.4, 8),
    "capacity_sync_replicas_4": SYNC_4 | WITHIN_REPLICAS | capacity(0.3, 0.4, 8),
    "draws_5": draws(5),
    "draws_3_replicas_4": REPLICAS_4 | draws(3) | {"objective.sigma": 0.2},
    "draws_3_optimal_replicas_4": REPLICAS_4 | draws(3) | variance("optimal"),
    "draws_3_sync_replicas_4": SYNC_4 | draws(3) | variance("optimal"),
    "draws_4_mlp_bernoulli": MLP | BERNOULLI | draws(4),

    # What looks at the whole batch, whose replicas have their own batch statistics (or the same, under sync).
    "free_bits_global_replicas_4": REPLICAS_4 | SUM | {"objective.free_bits": 0.16},
    "capacity_global_replicas_4": REPLICAS_4 | capacity(0.3, 0.4, 8),
    "optimal_global_replicas_4": REPLICAS_4 | variance("optimal") | {"batches_tracked": 150},
    "optimal_sum_global_replicas_4": REPLICAS_4 | SUM | variance("optimal") | {"batches_tracked": 0},
    "optimal_free_bits_global_sync_replicas_4": SYNC_4 | SUM | variance("optimal") | {"objective.free_bits": 0.16},
    "tc_mean": regulariser("tc", 5.0),
    "tc_replicas_4": REPLICAS_4 | SUM | regulariser("tc", 3.0, index_code=0.7, dimension_wise=0.4),
    "tc_weighted_replicas_4": REPLICAS_4 | SUM | regulariser("tc", 2.0, estimator="weighted"),
    "tc_within_replicas_4": REPLICAS_4 | WITHIN_REPLICAS | SUM | regulariser("tc", 3.0, index_code=0.7, dimension_wise=0.4),
    "tc_few_training_samples": SUM | regulariser("tc", 3.0, index_code=0.7) | {"training_samples": 11},
    "mmd_replicas_4": REPLICAS_4 | SUM | regulariser("mmd", 20.0),
    "mmd_biased_rbf_replicas_4": REPLICAS_4 | regulariser("mmd", 20.0, kernel="rbf", estimator="biased", sigma=0.8) | fixed_weight(0.05),
    "mmd_autoencoder_replicas_4": AUTOENCODER | REPLICAS_4 | regulariser("mmd", 0.1),
    "dip_i_replicas_4": REPLICAS_4 | SUM | regulariser("dip", 4.0, kind="i"),
    "dip_ii_replicas_4": REPLICAS_4 | regulariser("dip", 4.0, diagonal_weight=8.0) | fixed_weight(0.05),
    "codes_replicas_4": QUANTIZED | REPLICAS_4,
    "codes_sum": QUANTIZED | SUM | {"model.codes.commitment": 0.7},
    "codes_mmd_sync_replicas_4": QUANTIZED | SYNC_4 | regulariser("mmd", 0.1),
    "code_l2_replicas_4": REPLICAS_4 | regulariser("code_l2", 0.02),
    "three_terms_replicas_4": REPLICAS_4 | SUM | variance("optimal") | {"objective.free_bits": 0.16} | regularisers(
        regulariser("mmd", 20.0), regulariser("tc", 3.0, schedule="linear", steps=4), regulariser("dip", 4.0)),
    "two_terms_sync_replicas_4": SYNC_4 | regularisers(regulariser("tc", 3.0), regulariser("mmd", 20.0, kernel="rbf")) | fixed_weight(0.05),

    # Likelihoods.
    "learned_mean": variance("learned"),
    "learned_sum": SUM | variance("learned"),
    "optimal_mean": variance("optimal"),
    "optimal_sum": SUM | variance("optimal"),
    "optimal_replicas_4": REPLICAS_4 | WITHIN_REPLICAS | variance("optimal") | {"batches_tracked": 150},
    "optimal_sum_sync_replicas_4": SYNC_4 | WITHIN_REPLICAS | SUM | variance("optimal") | {"batches_tracked": 0},
    "predicted_mean": variance("predicted"),
    "predicted_sum_tanh_range": SUM | TANH_RANGE | variance("predicted"),
    "predicted_at_its_bound": SUM | variance("predicted") | {"log_variance_bias": -6},
    "predicted_one_level": SUM | variance("predicted") | {"model.hidden_dims": [5]},
    "predicted_shared_mean": variance("predicted_shared"),
    "predicted_shared_sum_tanh_range": SUM | TANH_RANGE | variance("predicted_shared"),
    "predicted_shared_at_its_bound": SUM | variance("predicted_shared") | {"log_variance_bias": -12.7},
    "predicted_shared_one_level": SUM | variance("predicted_shared") | {"model.hidden_dims": [5]},
    "predicted_shared_sync_replicas_4": SYNC_4 | SUM | variance("predicted_shared"),
    "draws_3_predicted_shared_replicas_4": REPLICAS_4 | draws(3) | variance("predicted_shared"),
    "bernoulli_mean": BERNOULLI,
    "bernoulli_sum": BERNOULLI | SUM,
    "bernoulli_of_grey": BERNOULLI | SUM | {"model.output": "identity"},
    "logistic_mean": LOGISTIC,
    "logistic_sum": LOGISTIC | SUM,
    "logistic_sum_tanh_range": LOGISTIC | SUM | TANH_RANGE,
    "fixed_sigma_mean": {"objective.sigma": 0.3},

    # Models.
    "autoencoder": AUTOENCODER,
    "autoencoder_sum_replicas_4": AUTOENCODER | REPLICAS_4 | SUM | {"objective.sigma": 0.5},
    "autoencoder_optimal": AUTOENCODER | variance("optimal"),
    "autoencoder_predicted_shared": AUTOENCODER | SUM | variance("predicted_shared"),
    "autoencoder_bernoulli": AUTOENCODER | BERNOULLI | SUM,
    "decoder_only": DECODER | SUM | {"objective.sigma": 0.7},
    "decoder_only_mean": DECODER,
    "decoder_only_replicas_4": DECODER | REPLICAS_4 | SUM,
    "decoder_only_sync_replicas_4": DECODER | SYNC_4 | SUM,
    "decoder_only_learned": DECODER | SUM | variance("learned"),
    "decoder_only_predicted": DECODER | SUM | variance("predicted") | REPLICAS_4,
    "decoder_only_predicted_shared": DECODER | SUM | variance("predicted_shared") | REPLICAS_4,
    "decoder_only_bernoulli": DECODER | BERNOULLI | {"objective.prior_samples": 17},
    # Few pixels, because the draws' weights are exponentials of nats, and single precision keeps only seven digits of those.
    "decoder_only_logistic": DECODER | LOGISTIC | SUM | {"objective.prior_samples": 4, "height": 5, "width": 4},
    "mlp": MLP | fixed_weight(0.01),
    "mlp_bernoulli_tanh": MLP | BERNOULLI | SUM | {"model.activation": "tanh", "model.hidden_dims": [9]},
    "mlp_predicted_replicas_4": MLP | REPLICAS_4 | SUM | variance("predicted"),
    "mlp_predicted_shared_replicas_4": MLP | REPLICAS_4 | SUM | variance("predicted_shared"),
    "resnet": RESNET | fixed_weight(0.01),
    "resnet_attention_odd_size": RESNET | SUM | {"height": 13, "width": 11, "model.hidden_dims": [4, 6, 8], "model.attention_at": [7, 4], "model.blocks": 2},
    "resnet_spatial": RESNET | SUM | {"model.latent": "spatial", "model.attention_at": [5], "model.activation": "silu"},
    "resnet_groups": RESNET | {"height": 6, "width": 5, "model.hidden_dims": [40, 48]} | fixed_weight(0.01),
    "resnet_one_level": RESNET | {"height": 5, "width": 4, "model.hidden_dims": [6], "model.latent": "spatial"},
    "resnet_predicted_replicas_4": RESNET | REPLICAS_4 | SUM | variance("predicted") | {"height": 7, "width": 6},
    "resnet_predicted_shared_replicas_4": RESNET | REPLICAS_4 | SUM | variance("predicted_shared") | {"height": 7, "width": 6},
    "resnet_spatial_draws_3": RESNET | draws(3) | LOGISTIC | {"model.latent": "spatial", "model.latent_dim": 2, "height": 7, "width": 6},

    # Schedules of the learning rate: torch.optim.lr_scheduler.
    "rate_warm_up": schedule("constant", warmup_steps=4),
    "rate_exponential": schedule("exponential", gamma=0.8),
    "rate_exponential_per_step": schedule("exponential", gamma=0.8, per="step"),
    "rate_steps": schedule("step", gamma=0.3, milestones=[1, 3]),
    "rate_steps_per_step": schedule("step", gamma=0.3, milestones=[2, 3, 7], per="step"),
    "rate_cosine": schedule("cosine", final_learning_rate=0.0002),
    "rate_cosine_after_warm_up": schedule("cosine", final_learning_rate=0.0002, warmup_steps=3) | {"train.learning_rate_batch": 2},
}


SERIES = {"space": [13]}
VOLUMES = {"space": [5, 4, 6]}
VECTORS = {"space": [], "channels": 11}
LINEAR = {"model.name": "mlp_vae", "model.hidden_dims": []}
CONDITION = {"condition_values": 4}
ATTENTION = {"model.attention_at": [7], "model.blocks": 2}


def likelihood(name, **keys):
    return SUM | {"objective.likelihood": name} | {"objective." + key: value for key, value in keys.items()}


POISSON, BINOMIAL, ZERO_INFLATED = likelihood("poisson"), likelihood("negative_binomial"), likelihood("zero_inflated_negative_binomial")

# Samples of other shapes than images, likelihoods of other values, and conditions: for model and objective alone.
ARRAY_CASES = {
    "vanilla_series": SERIES | fixed_weight(0.01),
    "vanilla_volumes": VOLUMES | SUM,
    "vanilla_volumes_predicted": VOLUMES | SUM | variance("predicted"),
    "vanilla_series_predicted_shared": SERIES | SUM | variance("predicted_shared"),
    "vanilla_volumes_one_level": VOLUMES | SUM | {"model.hidden_dims": [5]},
    "vanilla_series_logistic": SERIES | LOGISTIC | SUM,
    "autoencoder_volumes": AUTOENCODER | VOLUMES,
    "decoder_only_series": DECODER | SERIES | SUM,
    "resnet_series": RESNET | ATTENTION | SERIES | SUM,
    "resnet_series_spatial": RESNET | SERIES | SUM | {"model.latent": "spatial", "model.activation": "silu"},
    "resnet_volumes": RESNET | VOLUMES | SUM | {"model.attention_at": [3], "model.hidden_dims": [4, 6, 8]},
    "resnet_volumes_spatial_predicted": RESNET | VOLUMES | SUM | {"model.latent": "spatial", "model.latent_dim": 2} | variance("predicted"),
    "mlp_series": MLP | SERIES | SUM,
    "mlp_volumes_predicted": MLP | VOLUMES | SUM | variance("predicted"),
    "mlp_vectors_predicted_shared": MLP | VECTORS | SUM | variance("predicted_shared"),
    "linear_images": LINEAR | SUM | {"height": 4, "width": 3, "model.output": "identity"},
    "linear_series": LINEAR | SERIES | SUM | {"model.output": "identity"},
    "linear_volumes": LINEAR | VOLUMES | SUM | {"model.output": "identity"},
    "linear_vectors_predicted": LINEAR | VECTORS | SUM | variance("predicted") | {"model.output": "identity"},
    "linear_vectors_draws_3": LINEAR | VECTORS | draws(3),

    "laplace_mean": likelihood("laplace") | {"objective.reduction": "mean"},
    "laplace_fixed": likelihood("laplace", scale=0.3),
    "laplace_learned_volumes": VOLUMES | likelihood("laplace", spread="learned"),
    "laplace_predicted": likelihood("laplace", spread="predicted"),
    "laplace_predicted_mlp_vectors": MLP | VECTORS | likelihood("laplace", spread="predicted"),
    "poisson_images": POISSON,
    "poisson_vectors": MLP | VECTORS | POISSON,
    "poisson_mean": MLP | VECTORS | POISSON | {"objective.reduction": "mean"},
    "poisson_decoder_only_series": DECODER | SERIES | POISSON | {"channels": 1, "space": [7]},
    "negative_binomial_vectors": MLP | VECTORS | BINOMIAL,
    "negative_binomial_series": SERIES | BINOMIAL,
    "negative_binomial_draws_3": MLP | VECTORS | BINOMIAL | draws(3),
    "zero_inflated_vectors": MLP | VECTORS | ZERO_INFLATED,
    "zero_inflated_volumes": VOLUMES | ZERO_INFLATED,
    "zero_inflated_linear": LINEAR | VECTORS | ZERO_INFLATED,
    "zero_inflated_decoder_only_series": DECODER | SERIES | ZERO_INFLATED | {"channels": 1, "space": [7]},

    # PyTorch-VAE's cvae.py, and the same thought elsewhere.
    "conditional_vanilla_images": CONDITION | SUM,
    "conditional_vanilla_series": CONDITION | SERIES | SUM,
    "conditional_vanilla_volumes": CONDITION | VOLUMES | SUM,
    "conditional_vanilla_draws_3": CONDITION | draws(3),
    "conditional_autoencoder": CONDITION | AUTOENCODER | SUM,
    "conditional_resnet_images": CONDITION | RESNET | SUM,
    "conditional_resnet_volumes_spatial": CONDITION | RESNET | VOLUMES | SUM | {"model.latent": "spatial"},
    "conditional_mlp_vectors": CONDITION | MLP | VECTORS | SUM,
    "conditional_linear_series": CONDITION | LINEAR | SERIES | SUM,
    "conditional_zero_inflated": CONDITION | MLP | VECTORS | ZERO_INFLATED,
}


def complete(case):
    return DEFAULTS | COMMON | case


def metadata(case):
    """The case's keys as YAML values. The C++ side uses its own defaults for all others."""
    given = COMMON | case
    if "space" in case:
        given = {key: value for key, value in given.items() if key not in ("height", "width")}
    return {key: str(value) for key, value in given.items()}
