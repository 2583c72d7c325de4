"""The Python package (launcher/python) against the references of this folder, in double precision: the same weights, every case of golden_cases.py."""
import os
import pathlib
import sys
import unittest
import zlib

import golden_cases
import objective_reference
import torch
from make_golden_numbers import forward, make_condition, make_images, make_model, perturb_initial_values

sys.path.insert(0, str(pathlib.Path(os.environ["VAE_DIST_SOURCE"]) / "launcher" / "python"))
from vae_dist.likelihoods import Decoded, LikelihoodOptions, make_likelihood  # noqa: E402
from vae_dist.networks import NetworkOptions, make_network  # noqa: E402


def section(case, name):
    """A section of the case's configuration, without its sections."""
    return {key.removeprefix(name + "."): value for key, value in case.items() if key.rpartition(".")[0] == name}


def of_package(case):
    """The package's network, with its likelihood, for a case."""
    shape, (low, high), model = objective_reference.shape_of(case), case["data.range"], section(case, "model") | {"codes": section(case, "model.codes")}
    likelihood = make_likelihood(LikelihoodOptions(section(case, "objective"), low, high, shape[0], torch.Size(shape).numel()))
    by_range = "identity" if likelihood.takes_logits else "tanh" if low < 0 else "sigmoid"
    network = make_network(model, NetworkOptions(shape[0], tuple(shape[1:]), model["latent_dim"], tuple(model["hidden_dims"]), model["activation"],
                                                 by_range if model["output"] == "auto" else model["output"], likelihood.second_head, shape[0], case["condition_values"], model))
    network.add_module("likelihood", likelihood)
    return network.double().eval()


class PackageGolden(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(torch.set_default_dtype, torch.get_default_dtype())
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(1)  # for models so small, threads take more time than they save

    def check(self, case, name):
        seed = zlib.crc32(name.encode())
        random = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        reference = make_model(case)
        perturb_initial_values(case, reference, random)
        reference.eval()
        images, condition = make_images(case, random), make_condition(case, random)
        noise = torch.randn(len(images), objective_reference.noise_per_sample(case, reference.latent_dim), generator=random)
        wanted = forward(reference, case, images, noise, condition)
        network = of_package(case)
        network.load_state_dict(reference.state_dict())

        if network.latent_kind == "none":
            # The same draws for all images: every pair of an image and a draw.
            z = noise.reshape(-1, network.latent_values)[: case["objective.prior_samples"]]
            decoded = Decoded(*network.decode(z, condition))
            found = {"negative_log": torch.stack([-network.likelihood.log_prob(Decoded(decoded.output[k : k + 1], None if decoded.second is None else decoded.second[k : k + 1]), images)
                                                  for k in range(len(z))], 1)}
            if not network.likelihood.counts:
                found["output"] = network.likelihood.mean(decoded)
        else:
            mu, log_var = network.encode(images, condition)
            z = mu if log_var is None else mu + (log_var / 2).exp() * noise[:, : network.latent_values]
            decoded = Decoded(*network.decode(z, condition))
            total = images.flatten(1).sum(1) if network.likelihood.counts else None
            found = {"mu": mu, "log_var": log_var, "output": network.likelihood.mean(decoded, total), "negative_log": -network.likelihood.log_prob(decoded, images)}
            if network.codes is not None:
                self.assertTrue(network.codes.codes_of(mu).equal(reference.codes.nearest(mu)))
        found["second"] = decoded.second
        self.assertEqual({key for key, value in found.items() if value is not None}, wanted.keys())
        for key, values in wanted.items():
            torch.testing.assert_close(found[key], values, rtol=1e-9, atol=1e-9, msg=lambda text, key=key: f"{key}: {text}")

    def test_every_case(self):
        cases = golden_cases.CASES | golden_cases.ARRAY_CASES
        self.assertGreater(len(cases), 100)
        for name, case in cases.items():
            with self.subTest(name), torch.no_grad():
                self.check(golden_cases.complete(case), name)


if __name__ == "__main__":
    unittest.main()
