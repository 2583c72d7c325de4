"""Writes the golden numbers: python make_golden_numbers.py FOLDER makes one safetensors file for each case.

A file holds what a case starts from (weight.*, images, noise), what the first training step makes of it in double precision (output,
mu, log_var, gradient.*, state.*), and the losses (outcomes) of ten steps of torch.optim's optimizer with fresh noise in each. Its
metadata are the keys of our configuration. Whatever goes in is representable in single precision, so that both precisions of the
C++ side start from the same numbers.
"""
import copy
import pathlib
import sys

import torch
from vanilla_vae_reference import VanillaVAE, loss_terms

import safetensors_file

STEPS = 10

DEFAULTS = dict(channels=3, height=32, width=32, hidden_dims=[6, 8, 10], latent_dim=5, batch=8, replicas=1, activation="leaky_relu",
                output="sigmoid", reduction="mean", sigma=1.0, kld_factor=0.00025, optimizer="adam", learning_rate=0.001, weight_decay=0.0,
                clip_norm=0.0)  # 0: no clipping

CASES = {
    "colour_64": dict(height=64, width=64, hidden_dims=[4, 6, 8, 12, 16], latent_dim=7),
    "grey_28": dict(channels=1, height=28, width=28),
    "odd_size": dict(height=45, width=27),
    "one_level": dict(channels=1, height=9, width=14, hidden_dims=[5]),
    "tanh_output": dict(output="tanh", activation="relu"),
    "identity_output": dict(output="identity", activation="silu"),
    "tanh_activation": dict(activation="tanh"),
    "sum": dict(reduction="sum", sigma=0.3, kld_factor=1.0),
    "sum_tanh_odd_size": dict(height=45, width=27, reduction="sum", output="tanh", kld_factor=2.5),
    "large_batch": dict(channels=1, height=28, width=28, batch=64, kld_factor=0.01, learning_rate=0.01),
    "adam_weight_decay": dict(weight_decay=0.1),
    "adamw": dict(optimizer="adamw", weight_decay=0.1, learning_rate=0.005),
    "clipped": dict(clip_norm=0.01),
    "clip_norm_not_reached": dict(clip_norm=1000.0),
    "replicas_4": dict(batch=16, replicas=4),
    "replicas_4_sum_clipped": dict(batch=16, replicas=4, reduction="sum", kld_factor=1.0, clip_norm=5.0),
}


def single_precision(tensor):
    return tensor.float().double()


def make_inputs(model, case, random):
    """Weights as PyTorch initialises them, batch norms moved away from the identity; images in the output's range; noise of every step."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5, generator=random)
                module.bias.uniform_(-0.5, 0.5, generator=random)
                module.running_mean.uniform_(-1, 1, generator=random)
                module.running_var.uniform_(0.5, 2, generator=random)
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(single_precision(tensor))
    low = 0.0 if case["output"] == "sigmoid" else -1.0
    images = low + (1 - low) * torch.rand(case["batch"], case["channels"], case["height"], case["width"], generator=random, dtype=torch.float64)
    noise = torch.randn(STEPS, case["batch"], case["latent_dim"], generator=random, dtype=torch.float64)
    return single_precision(images), single_precision(noise)


def running_statistics(model):
    return {name: buffer for name, buffer in model.named_buffers() if buffer.is_floating_point()}


def accumulate(model, case, images, noise):
    """Gradients of the mean of the replicas' losses, each with its own batch statistics. The running statistics move once, with the
    mean over replicas. Returns loss, reconstruction and KL, each the mean over replicas, and the gradients' norm before clipping."""
    model.train()
    model.zero_grad()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    after, totals = [], []
    for x, eps in zip(images.chunk(case["replicas"]), noise.chunk(case["replicas"])):
        for name, buffer in model.named_buffers():
            buffer.copy_(before[name])
        output, mu, log_var = model(x, eps)
        terms = loss_terms(output, x, mu, log_var, case["kld_factor"], case["reduction"], case["sigma"])
        (terms[0] / case["replicas"]).backward()
        after.append({name: buffer.clone() for name, buffer in running_statistics(model).items()})
        totals.append(torch.stack(terms).detach())
    for name, buffer in running_statistics(model).items():
        buffer.copy_(torch.stack([statistics[name] for statistics in after]).mean(0))

    trained = list(model.trained_parameters().values())
    norm = torch.nn.utils.clip_grad_norm_(trained, case["clip_norm"] or float("inf"))
    return torch.cat([torch.stack(totals).mean(0), norm.reshape(1)])


def make_case(case, seed):
    random = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64)
    model = VanillaVAE(*(case[key] for key in ("channels", "height", "width", "latent_dim", "hidden_dims", "activation", "output")))
    images, noise = make_inputs(model, case, random)
    tensors = {"weight." + name: tensor.clone() for name, tensor in model.state_dict().items()}
    tensors |= {"images": images, "noise": noise}

    model.eval()
    tensors["evaluation.output"], tensors["evaluation.mu"], tensors["evaluation.log_var"] = model(images, noise[0])
    model.train()
    replica = copy.deepcopy(model)  # a forward in training mode moves the running statistics
    tensors["output"], tensors["mu"], tensors["log_var"] = replica(images.chunk(case["replicas"])[0], noise[0].chunk(case["replicas"])[0])

    trained = model.trained_parameters()
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[case["optimizer"]]
    optimizer = kind(trained.values(), lr=case["learning_rate"], weight_decay=case["weight_decay"])
    outcomes = []
    for step in range(STEPS):
        outcomes.append(accumulate(model, case, images, noise[step]))
        if step == 0:
            tensors |= {"gradient." + name: parameter.grad.clone() for name, parameter in trained.items()}
        optimizer.step()
        if step == 0:
            tensors |= {"state." + name: tensor.clone() for name, tensor in model.state_dict().items()}
    tensors["outcomes"] = torch.stack(outcomes)
    return tensors


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.safetensors"):
        old.unlink()
    torch.set_num_threads(1)
    for seed, (name, differences) in enumerate(CASES.items()):
        case = DEFAULTS | differences
        tensors = make_case(case, seed)
        text = {key: " ".join(map(str, value)) if isinstance(value, list) else str(value) for key, value in case.items()}
        safetensors_file.write(folder / f"{name}.safetensors", tensors, text)


if __name__ == "__main__":
    main()
