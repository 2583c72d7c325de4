"""The alternative to `vae_dist`: the same VAE in PyTorch, with DistributedDataParallel, DataLoader and h5py.
  torchrun --nproc-per-node 2 tests/bench/ddp_rival.py --data shapes.h5 --batch 64 --threads 1
Rank 0 prints one JSON object. Architecture, initial distribution, loss (squared error per pixel, M_N 0.00025, closed-form KL), batch, precision,
optimizer and data are those of `vae_dist`; the options cover the usual ways to write it, from the plainest to the best that we know.
tests/bench/side_by_side.sh runs it beside `vae_dist`, in turns."""
import argparse
import json
import os
import resource
import statistics
import time

import h5py
import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F


class VanillaVAE(nn.Module):
    """PyTorch-VAE's vanilla_vae.py, for images whose sides are multiples of 32."""

    def __init__(self, shape, latent_dim=128, hidden_dims=(32, 64, 128, 256, 512)):
        super().__init__()
        channels, height, width = shape
        levels, previous = [], channels
        for dim in hidden_dims:
            levels.append(nn.Sequential(nn.Conv2d(previous, dim, 3, stride=2, padding=1), nn.BatchNorm2d(dim), nn.LeakyReLU()))
            previous = dim
        self.code = (previous, height >> len(hidden_dims), width >> len(hidden_dims))
        values = self.code[0] * self.code[1] * self.code[2]
        self.encoder = nn.Sequential(*levels)
        self.fc_mu, self.fc_var = nn.Linear(values, latent_dim), nn.Linear(values, latent_dim)
        self.decoder_input = nn.Linear(latent_dim, values)

        def up(a, b):
            return nn.ConvTranspose2d(a, b, 3, stride=2, padding=1, output_padding=1), nn.BatchNorm2d(b), nn.LeakyReLU()

        dims = list(reversed(hidden_dims))
        self.decoder = nn.Sequential(*(nn.Sequential(*up(a, b)) for a, b in zip(dims, dims[1:])))
        self.final_layer = nn.Sequential(*up(dims[-1], dims[-1]), nn.Conv2d(dims[-1], channels, 3, padding=1), nn.Tanh())

    def forward(self, x):
        h = self.encoder(x).flatten(1)
        mu, log_var = self.fc_mu(h), self.fc_var(h)
        z = mu + torch.exp(0.5 * log_var) * torch.randn_like(mu)
        y = self.final_layer(self.decoder(self.decoder_input(z).view(-1, *self.code)))
        return y, mu, log_var


class MlpVAE(nn.Module):
    """784-400-z40-400-784, Bernoulli: what configs/mnist_mlp.yaml trains. The decoder gives logits."""

    def __init__(self, shape, latent_dim=40, hidden=400):
        super().__init__()
        values = shape[0] * shape[1] * shape[2]
        self.shape = shape
        self.encoder = nn.Sequential(nn.Linear(values, hidden), nn.ReLU())
        self.fc_mu, self.fc_var = nn.Linear(hidden, latent_dim), nn.Linear(hidden, latent_dim)
        self.decoder = nn.Sequential(nn.Linear(latent_dim, hidden), nn.ReLU(), nn.Linear(hidden, values))

    def forward(self, x):
        h = self.encoder(x.flatten(1))
        mu, log_var = self.fc_mu(h), self.fc_var(h)
        z = mu + torch.exp(0.5 * log_var) * torch.randn_like(mu)
        return self.decoder(z).view(-1, *self.shape), mu, log_var


class ResidualBlock(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(min(32, a), a), nn.GroupNorm(min(32, b), b)
        self.conv1, self.conv2 = nn.Conv2d(a, b, 3, padding=1), nn.Conv2d(b, b, 3, padding=1)
        self.shortcut = nn.Identity() if a == b else nn.Conv2d(a, b, 1)

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        return self.shortcut(x) + self.conv2(F.silu(self.norm2(h)))


class ResnetVAE(nn.Module):
    """`resnet_vae` with two levels of two blocks, SiLU, no attention and a flat latent."""

    def __init__(self, shape, latent_dim=128, dims=(32, 64), blocks=2):
        super().__init__()
        channels, height, width = shape
        self.code = (dims[1], height // 2, width // 2)
        values = dims[1] * self.code[1] * self.code[2]

        def level(a, b):
            return [ResidualBlock(a if block == 0 else b, b) for block in range(blocks)]

        def normalised(width):
            return [nn.GroupNorm(min(32, width), width), nn.SiLU()]

        self.encoder = nn.Sequential(nn.Conv2d(channels, dims[0], 3, padding=1), *level(dims[0], dims[0]), nn.Conv2d(dims[0], dims[0], 3, stride=2, padding=1),
                                     *level(dims[0], dims[1]), *normalised(dims[1]))
        self.fc_mu, self.fc_var = nn.Linear(values, latent_dim), nn.Linear(values, latent_dim)
        self.decoder_input = nn.Linear(latent_dim, values)
        self.decoder = nn.Sequential(*level(dims[1], dims[1]), nn.Upsample(scale_factor=2), nn.Conv2d(dims[1], dims[1], 3, padding=1), *level(dims[1], dims[0]),
                                     *normalised(dims[0]), nn.Conv2d(dims[0], channels, 3, padding=1), nn.Tanh())

    def forward(self, x):
        h = self.encoder(x).flatten(1)
        mu, log_var = self.fc_mu(h), self.fc_var(h)
        z = mu + torch.exp(0.5 * log_var) * torch.randn_like(mu)
        return self.decoder(self.decoder_input(z).view(-1, *self.code)), mu, log_var


MODELS = {"vanilla_vae": VanillaVAE, "resnet_vae": ResnetVAE, "mlp_vae": MlpVAE}


def vanilla_loss(output, x):
    y, mu, log_var = output
    kld = -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(1).mean()
    return F.mse_loss(y, x) + 0.00025 * kld


def mlp_loss(output, x):
    y, mu, log_var = output
    kld = -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(1).mean()
    return F.binary_cross_entropy_with_logits(y, x, reduction="sum") / len(x) + kld


class Rows(torch.utils.data.Dataset):
    """The usual way: each worker opens the file, and reads and scales one row at a time. The bytes are [N, H, W, C]."""

    def __init__(self, file, name, scale, shift):
        self.file, self.name, self.scale, self.shift, self.data = file, name, scale, shift, None
        with h5py.File(file) as f:
            self.count = len(f[name])

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if self.data is None:
            self.data = h5py.File(self.file)[self.name]
        image = torch.from_numpy(self.data[index])
        image = image.permute(2, 0, 1) if image.dim() == 3 else image[None]
        return image.float() * self.scale + self.shift


class RowBatches:
    """Endless batches from DataLoader and DistributedSampler over rows."""

    def __init__(self, options, rank, ranks, scale, shift):
        data = Rows(options.data, options.dataset, scale, shift)
        self.sampler = torch.utils.data.DistributedSampler(data, ranks, rank)
        self.loader = torch.utils.data.DataLoader(data, options.batch, sampler=self.sampler, num_workers=options.workers, drop_last=True,
                                                  pin_memory=options.device == "cuda", persistent_workers=options.workers > 0)

    def __iter__(self):
        epoch = 0
        while True:
            self.sampler.set_epoch(epoch)
            yield from self.loader
            epoch += 1


class MemoryBatches:
    """All images decoded into memory once, as bytes; a batch is an index and a scaling. This is the fastest way for a small dataset."""

    def __init__(self, options, rank, ranks, scale, shift):
        with h5py.File(options.data) as f:
            images = torch.from_numpy(f[options.dataset][...])
        self.images = images.permute(0, 3, 1, 2) if images.dim() == 4 else images[:, None]  # the bytes stay [N, H, W, C]
        if options.device == "cuda":
            self.images = self.images.cuda()
        self.batch, self.rank, self.ranks, self.scale, self.shift = options.batch, rank, ranks, scale, shift

    def __iter__(self):
        generator = torch.Generator().manual_seed(0)  # the same order on every rank
        while True:
            order = torch.randperm(len(self.images), generator=generator)[self.rank :: self.ranks].to(self.images.device)
            for part in order.split(self.batch):
                if len(part) == self.batch:
                    yield self.images[part].float() * self.scale + self.shift


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="HDF5 file")
    parser.add_argument("--dataset", default="imgs")
    parser.add_argument("--model", choices=MODELS, default="vanilla_vae")
    parser.add_argument("--batch", type=int, default=64, help="images per rank")
    parser.add_argument("--steps", type=int, default=30, help="measured steps")
    parser.add_argument("--warm-up", type=int, default=5, help="steps before the measured ones")
    parser.add_argument("--threads", type=int, default=1, help="threads for a rank's tensor work")
    parser.add_argument("--workers", type=int, default=0, help="workers of the DataLoader")
    parser.add_argument("--in-memory", action="store_true", help="all images decoded at start, no DataLoader")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--precision", choices=("fp32", "tf32", "bf16"), default="fp32", help="bf16: autocast")
    parser.add_argument("--compile", choices=("no", "default", "reduce-overhead", "max-autotune"), default="no")
    parser.add_argument("--fused", action="store_true", help="use the fused Adam")
    parser.add_argument("--backend", choices=("gloo", "nccl"), default="gloo")
    parser.add_argument("--no-exchange", action="store_true", help="replicas that never synchronize; the difference is the cost of DDP")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    return parser.parse_args()


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    rank, ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    on_gpu = options.device == "cuda"
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = options.precision == "tf32"
    exchanges = ranks > 1 and not options.no_exchange
    if ranks > 1:
        dist.init_process_group(options.backend)

    with h5py.File(options.data) as f:
        size = f[options.dataset].shape[1:]
    shape = (size[2] if len(size) == 3 else 1, size[0], size[1])
    mlp = options.model == "mlp_vae"
    model = MODELS[options.model](shape).to(options.device)
    loss_of = mlp_loss if mlp else vanilla_loss
    if options.channels_last:
        model = model.to(memory_format=torch.channels_last)
    trained = nn.parallel.DistributedDataParallel(model, device_ids=[torch.cuda.current_device()] if on_gpu else None, gradient_as_bucket_view=True) if exchanges else model
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4 if mlp else 0.005, fused=options.fused or None)

    def forward(x):
        with torch.autocast(options.device, torch.bfloat16, enabled=options.precision == "bf16"):
            y, mu, log_var = trained(x)
        return loss_of((y.float(), mu.float(), log_var.float()), x)

    if options.compile != "no":
        forward = torch.compile(forward, mode=None if options.compile == "default" else options.compile)

    scale, shift = (1 / 255, 0.0) if mlp else (2 / 255, -1.0)
    batches = iter((MemoryBatches if options.in_memory else RowBatches)(options, rank, ranks, scale, shift))
    steps, waits = [], []

    def synchronize():
        if on_gpu:
            torch.cuda.synchronize()

    synchronize()
    for step in range(options.warm_up + options.steps):
        if step == options.warm_up:
            if ranks > 1:
                dist.barrier()
            synchronize()
            started = time.perf_counter()
        began = time.perf_counter()
        x = next(batches)
        if on_gpu:
            x = x.cuda(non_blocking=True)
        if mlp:
            x = (x > 0.5).float()  # takes as long as any other way to binarize
        if options.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        waited = time.perf_counter() - began
        loss = forward(x)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step >= options.warm_up:
            steps.append(time.perf_counter() - began)
            waits.append(waited)
    synchronize()
    if ranks > 1:
        dist.barrier()
    elapsed = time.perf_counter() - started

    peak = torch.tensor([float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024, float(torch.cuda.max_memory_reserved()) if on_gpu else 0])
    if ranks > 1:
        peak = peak.to(options.device if options.backend == "nccl" else "cpu")
        dist.all_reduce(peak, dist.ReduceOp.MAX)
    if rank == 0:
        print(json.dumps({"samples_per_second": options.batch * ranks * options.steps / elapsed, "step_seconds": statistics.median(steps) if not on_gpu else elapsed / options.steps,
                          "data_wait_seconds": statistics.median(waits), "peak_bytes_per_rank": peak[0].item(), "peak_device_bytes_per_rank": peak[1].item(), "loss": loss.item()}), flush=True)
    if ranks > 1:
        # Everything is measured and printed. Tearing down gloo's threads has aborted a rank now and then ("terminate called without an active exception").
        dist.barrier()
        os._exit(0)


if __name__ == "__main__":
    main()
