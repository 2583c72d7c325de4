"""Writes the golden numbers: python make_golden_numbers.py FOLDER makes one safetensors file for each case of golden_cases.py, and FOLDER/arrays
one for each of its cases of other arrays.

A file holds a case's inputs (weight.*, images, noise), the results of the network and the likelihood in double precision (evaluation.*, training.*), the
gradients and the state after the first training step (gradient.*, state.*), and the terms of ten steps of torch.optim's optimizer with fresh noise
(outcomes) at the learning rates and weights of the case's schedules. The metadata are the keys of our configuration. All inputs are representable in
single precision, so that both precisions of the C++ side start from the same numbers.
"""
import copy
import pathlib
import sys
import zlib

import golden_cases
import objective_reference
import torch
from autoencoder_reference import Autoencoder
from decoder_only_reference import DecoderOnly
from likelihood_reference import COUNTS, Likelihood
from mlp_vae_reference import MlpVAE
from resnet_vae_reference import ResnetVAE
from torch.optim import lr_scheduler
from vanilla_vae_reference import VanillaVAE
from vector_quantizer_reference import Codebook

import safetensors_file

STEPS = 10
LEAST_DISTANCE = 3e-6  # between an activation and the kink of its rectifier
BATCH_NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)
MODELS = {"vanilla_vae": VanillaVAE, "autoencoder": Autoencoder, "decoder_only": DecoderOnly, "mlp_vae": MlpVAE, "resnet_vae": ResnetVAE}


def make_model(case):
    shape = objective_reference.shape_of(case)
    likelihood = Likelihood(case, shape)
    by_range = "identity" if likelihood.takes_logits() else "tanh" if likelihood.low < 0 else "sigmoid"
    arguments = {key: case["model." + key] for key in ("latent_dim", "hidden_dims", "activation")}
    if case["model.name"] == "resnet_vae":
        arguments |= {key: case["model." + key] for key in ("blocks", "attention_at", "latent")}
    if case["condition_values"]:
        arguments["condition_values"] = case["condition_values"]
    model = MODELS[case["model.name"]](shape[0], shape[1:], second_head=likelihood.second_head(),
                                       output=by_range if case["model.output"] == "auto" else case["model.output"], **arguments)
    model.likelihood = likelihood
    if case["model.codes.kind"] == "vector_quantized":
        codes = {key: case["model.codes." + key] for key in ("size", "groups", "decay")}
        model.codes = Codebook(width=model.latent_dim // codes["groups"], **codes)
    return model


def trained_parameters(model):
    """Parameters by name, without the biases of convolutions that feed a batch norm: their gradients are rounding noise around zero."""
    modules = dict(model.named_modules())

    def feeds_batch_norm(name):
        owner, _, kind = name.rpartition(".")
        place = owner.rpartition(".")[2]
        following = owner.removesuffix(place) + str(int(place) + 1) if place.isdigit() else ""
        return kind == "bias" and isinstance(modules.get(following), BATCH_NORMS)

    return {name: parameter for name, parameter in model.named_parameters() if not feeds_batch_norm(name)}


def make_optimizer(case, parameters):
    rate = case["train.optimizer.learning_rate"]
    if case["train.learning_rate_batch"]:
        rate *= case["train.global_batch"] / case["train.learning_rate_batch"]
    adaptive = {"betas": case["train.optimizer.betas"], "eps": case["train.optimizer.epsilon"]}
    kind, arguments = {"adam": (torch.optim.Adam, adaptive), "adamw": (torch.optim.AdamW, adaptive), "adamax": (torch.optim.Adamax, adaptive),
                       "sgd": (torch.optim.SGD, {"momentum": case["train.optimizer.momentum"]})}[case["train.optimizer.name"]]
    return kind(parameters, lr=rate, weight_decay=case["train.optimizer.weight_decay"], **arguments)


def make_schedule(case, optimizer):
    """Returns a function that is called after each step and advances the learning rate."""
    def key(name):
        return case["train.schedule." + name]

    warm_up = key("warmup_steps")
    after = {"constant": lambda: lr_scheduler.ConstantLR(optimizer, factor=1.0),
             "exponential": lambda: lr_scheduler.ExponentialLR(optimizer, key("gamma")),
             "step": lambda: lr_scheduler.MultiStepLR(optimizer, key("milestones"), key("gamma")),
             "cosine": lambda: lr_scheduler.CosineAnnealingLR(optimizer, STEPS - warm_up - 1, key("final_learning_rate"))}[key("name")]()
    if warm_up:
        rising = lr_scheduler.LinearLR(optimizer, start_factor=1 / warm_up, total_iters=warm_up - 1)
        after = lr_scheduler.SequentialLR(optimizer, [rising, after], milestones=[warm_up])
    per_epoch = key("name") in ("exponential", "step") and key("per") == "epoch"
    steps = range(1, STEPS + 1)
    moves = {step for step in steps if step % case["steps_per_epoch"] == 0} if per_epoch else set(steps)
    return lambda step: after.step() if step + 1 in moves else None


def single_precision(tensor):
    return tensor.float().double()


def make_images(case, random):
    """Images in the data range: continuous, or discrete as the likelihood requires, that is, zeros and ones, counts, or the 256 levels
    including black and white."""
    images = torch.rand((case["train.global_batch"], *objective_reference.shape_of(case)), generator=random)
    if case["objective.likelihood"] in COUNTS:
        return torch.poisson(torch.exp(4 * images - 2), generator=random)
    if case["objective.likelihood"] == "bernoulli" and case["model.output"] == "auto":
        images = images.round()
    if case["objective.likelihood"] == "discretized_logistic":
        images = torch.round(300 * images - 22).clamp(0, 255) / 255
    low, high = case["data.range"]
    return single_precision(low + (high - low) * images)


def make_condition(case, random):
    """A number, and the one-hot class among the others."""
    if not case["condition_values"]:
        return None
    count, classes = case["train.global_batch"], case["condition_values"] - 1
    number = single_precision(torch.randn(count, 1, generator=random))
    return torch.cat([number, torch.nn.functional.one_hot(torch.randint(classes, (count,), generator=random), classes)], dim=1)


def perturb_initial_values(case, model, random):
    """Keeps PyTorch's initial weights, but perturbs everything that starts as ones or zeros."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (*BATCH_NORMS, torch.nn.GroupNorm)):
                module.weight.uniform_(0.5, 1.5, generator=random)
                module.bias.uniform_(-0.5, 0.5, generator=random)
            if isinstance(module, BATCH_NORMS):
                module.running_mean.uniform_(-1, 1, generator=random)
                module.running_var.uniform_(0.5, 2, generator=random)
        likelihood = model.likelihood
        for parameter in likelihood.parameters():
            parameter.add_(torch.rand(parameter.shape, generator=random) - 0.8)
        if likelihood.variance == "optimal":
            likelihood.running_mse.fill_(0.07)
            likelihood.num_batches_tracked.fill_(case["batches_tracked"])
        if likelihood.variance in ("predicted", "predicted_shared"):
            model.log_variance_layer.bias.add_(case["log_variance_bias"])
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(single_precision(tensor))


def batches(case):
    """The number of batches in which a step's images pass through the network: one per replica, or a single one if batch norm is synchronised."""
    return 1 if case["distributed.batch_norm"] == "sync" else case["distributed.replicas"]


def forward(model, case, images, noise, condition=None):
    """The results of the network and the likelihood by name, for the first draw."""
    out = {}
    if case["model.name"] == "decoder_only":
        z, pairs = noise.reshape(-1, model.latent_dim)[:case["objective.prior_samples"]], True
    else:
        out["mu"], log_var = model.encode(images, condition)
        z, pairs = out["mu"], False
        if log_var is not None:
            out["log_var"] = log_var
            z = z + torch.exp(0.5 * log_var) * noise[:, :model.latent_dim]
    z = objective_reference.in_codes(model, z)
    decoded = model.decode_both(z) if condition is None else model.decode_both(z, condition)
    if not pairs or model.likelihood.kind not in COUNTS:
        out["output"] = model.likelihood.mean_image(decoded, images)
    if decoded[1] is not None:
        out["second"] = decoded[1]
    out["negative_log"] = -model.likelihood.log_prob(decoded, images[:, None] if pairs else images)
    return out


def accumulate(model, case, images, noise, step, condition=None):
    """Computes the gradients of the loss of the whole batch, or of the mean loss over batches; each batch has its own batch statistics. Updates the running
    statistics once, with the mean over batches. Returns loss, reconstruction and KL, the gradient norm before clipping, and the objective's other terms."""
    model.train()
    model.zero_grad()
    count = batches(case)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    running = {name: buffer for name, buffer in model.named_buffers() if buffer.is_floating_point()}
    after, passed, totals = [], [], []
    for x, eps in zip(images.chunk(count), noise.chunk(count)):
        for name, buffer in model.named_buffers():
            buffer.data.copy_(before[name])  # not known to autograd, which keeps the buffers of the batches before
        if objective_reference.is_one_batch(case):
            passed.append(objective_reference.pass_through(model, case, x, eps, condition))
        else:
            terms = objective_reference.terms(model, case, x, eps, step, case["distributed.replicas"] // count, condition)
            (terms[0] / count).backward()
            totals.append(terms.detach())
        after.append({name: buffer.clone() for name, buffer in running.items()})
    if passed:
        terms = objective_reference.terms_of_one_batch(model, case, passed, step)
        terms[0].backward()
        totals.append(terms.detach())
    for name, buffer in running.items():
        buffer.copy_(torch.stack([statistics[name] for statistics in after]).mean(0))
    terms = torch.stack(totals).mean(0)
    if model.likelihood.variance == "optimal":
        model.likelihood.track(objective_reference.squared_error_of(case, terms))
    if hasattr(model, "codes"):
        model.codes.follow()

    norm = torch.nn.utils.clip_grad_norm_(trained_parameters(model).values(), case["train.gradient_clip_norm"] or float("inf"))
    return torch.cat([terms[:3], norm.reshape(1), terms[3:]])


def distance_to_a_kink(model, case, images, noise, condition):
    """The smallest magnitude of any rectifier's input in the first step, or the smallest difference of a vector's distances to its two nearest codes."""
    model, inputs = copy.deepcopy(model), []
    for module in model.modules():
        if isinstance(module, (torch.nn.ReLU, torch.nn.LeakyReLU)):
            module.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0].detach().abs().min().item()))
        if isinstance(module, Codebook):
            module.register_forward_pre_hook(lambda codes, arguments: inputs.append(codes.margin(arguments[0])))
    accumulate(model, case, images, noise[0], 0, condition)
    return min(inputs, default=1.0)


def make_start(case, name):
    """A model, images, the noise of every step, and the condition. Draws with an activation at the kink of a rectifier are rejected: in single precision it could fall on
    either side, and the gradients would differ by more than rounding."""
    for attempt in range(100):
        # The seed depends on the name, so a new case does not change the numbers of others.
        seed = zlib.crc32(f"{name} {attempt}".encode())
        random = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        model = make_model(case)
        perturb_initial_values(case, model, random)
        images = make_images(case, random)
        noise = single_precision(torch.randn(STEPS, len(images), objective_reference.noise_per_sample(case, model.latent_dim), generator=random))
        condition = make_condition(case, random)
        if distance_to_a_kink(model, case, images, noise, condition) > LEAST_DISTANCE:
            return model, images, noise, condition
    raise RuntimeError(f"{name}: every draw has an activation at the kink of a rectifier")


def make_case(case, name):
    torch.set_default_dtype(torch.float64)
    model, images, noise, _ = make_start(case, name)
    tensors = {"weight." + name: tensor.clone() for name, tensor in model.state_dict().items()}
    tensors |= {"images": images, "noise": noise}

    model.eval()
    tensors |= {"evaluation." + name: tensor for name, tensor in forward(model, case, images, noise[0]).items()}
    replica = copy.deepcopy(model).train()  # a copy, because a forward pass in training mode updates the running statistics
    tensors |= {"training." + name: tensor for name, tensor in forward(replica, case, images.chunk(batches(case))[0], noise[0].chunk(batches(case))[0]).items()}

    trained = trained_parameters(model)
    optimizer = make_optimizer(case, trained.values())
    move_on = make_schedule(case, optimizer)
    outcomes, schedules = [], []
    for step in range(STEPS):
        schedules.append([optimizer.param_groups[0]["lr"], objective_reference.kld_factor(case, step), objective_reference.capacity(case, step)])
        outcomes.append(accumulate(model, case, images, noise[step], step))
        if step == 0:
            tensors |= {"gradient." + name: parameter.grad.clone() for name, parameter in trained.items()}
        optimizer.step()
        move_on(step)
        if step == 0:
            tensors |= {"state." + name: tensor.clone() for name, tensor in model.state_dict().items()}
    return tensors | {"outcomes": torch.stack(outcomes), "schedules": torch.tensor(schedules)}


def make_array_case(case, name):
    """Results, and the terms and gradients of one step: what does not depend on the optimizer."""
    torch.set_default_dtype(torch.float64)
    model, images, noise, condition = make_start(case, name)
    tensors = {"weight." + name: tensor.clone() for name, tensor in model.state_dict().items()}
    tensors |= {"images": images, "noise": noise} | ({} if condition is None else {"condition": condition})
    model.eval()
    tensors |= {"evaluation." + name: tensor for name, tensor in forward(model, case, images, noise[0], condition).items()}
    tensors["outcomes"] = accumulate(model, case, images, noise[0], 0, condition)
    tensors["factor"] = torch.tensor(objective_reference.kld_factor(case, 0))
    return tensors | {"gradient." + name: parameter.grad.clone() for name, parameter in trained_parameters(model).items()}


def main():
    folder = pathlib.Path(sys.argv[1])
    torch.set_num_threads(1)
    for part, make, cases in ((folder, make_case, golden_cases.CASES), (folder / "arrays", make_array_case, golden_cases.ARRAY_CASES)):
        part.mkdir(parents=True, exist_ok=True)
        for old in part.glob("*.safetensors"):
            old.unlink()
        for name, case in cases.items():
            tensors = make(golden_cases.complete(case), name)
            safetensors_file.write(part / f"{name}.safetensors", tensors, golden_cases.metadata(case))


if __name__ == "__main__":
    main()
