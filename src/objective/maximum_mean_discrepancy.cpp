// The maximum mean discrepancy of the aggregate posterior from the prior (Gretton et al. 2012; as
// the penalty of WAE: Tolstikhin et al. 2018, algorithm 2, and of InfoVAE: Zhao et al. 2019,
// section 4.4). Of G codes z_i and as many draws p_i of N(0, I), one for each sample:
//
//   unbiased   1/(G(G-1)) sum_{i != j} [k(z_i, z_j) + k(p_i, p_j)] - 2/G^2 sum_{i,j} k(z_i, p_j)
//   biased     the same with the diagonals: 1/G^2 sum_{i,j} [...]
//
//   imq   sum over s in {0.1, 0.2, 0.5, 1, 2, 5, 10} of C / (C + |a - b|^2), C = 2 L sigma^2 s
//   rbf   exp(-|a - b|^2 / (2 L sigma^2))
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "kernels/inverse_multiquadric.hpp"
#include "objective/regulariser.hpp"

namespace vae_dist::objective {
namespace {

enum class MmdKernel { imq, rbf };
enum class MmdEstimator { unbiased, biased };

struct MmdSettings {
  MmdKernel kernel = MmdKernel::imq;
  MmdEstimator estimator = MmdEstimator::unbiased;
  double sigma = 1;
};

constexpr kernels::KernelWidths kImqScales = {0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0};

// |a_i - b_j|^2: [A, B]. Through a matrix product, which costs a small part of the differences.
// What cancels is small against the kernel's width.
at::Tensor squared_distances(const at::Tensor& a, const at::Tensor& b) {
  return (a.square().sum(1, /*keepdim=*/true) + b.square().sum(1) - 2 * a.matmul(b.t()))
      .clamp_min(0);
}

struct FusedImq : torch::autograd::Function<FusedImq> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& distances,
                            const kernels::KernelWidths& widths) {
    const kernels::KernelValues out = kernels::inverse_multiquadrics(distances, widths);
    ctx->save_for_backward({out.slopes});
    return out.values;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list gradients) {
    return {gradients[0] * ctx->get_saved_variables()[0], at::Tensor()};
  }
};

at::Tensor inverse_multiquadrics(const at::Tensor& distances, double width) {
  kernels::KernelWidths widths = kImqScales;
  for (double& each : widths) each *= width;
  if (kernels::has_inverse_multiquadric_kernel(distances))
    return FusedImq::apply(distances, widths);
  at::Tensor sum;
  for (const double each : widths) {
    const at::Tensor part = (distances / each + 1).reciprocal();
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

at::Tensor kernel_of(const MmdSettings& own, const at::Tensor& a, const at::Tensor& b) {
  const double width = 2 * static_cast<double>(a.size(1)) * own.sigma * own.sigma;
  const at::Tensor distances = squared_distances(a, b);
  return own.kernel == MmdKernel::rbf ? (distances / -width).exp()
                                      : inverse_multiquadrics(distances, width);
}

at::Tensor mmd_part(const MmdSettings& own, const LatentRows& all, std::int64_t first,
                    std::int64_t count) {
  const LatentRows block = all.narrow(first, count);
  // Nothing trains the draws of the prior.
  const at::Tensor prior = all.prior.detach();
  const auto n = static_cast<double>(all.z.size(0));
  at::Tensor same =
      kernel_of(own, block.z, all.z) + kernel_of(own, prior.narrow(0, first, count), prior);
  double pairs = n * n;
  if (own.estimator == MmdEstimator::unbiased) {
    // Without the pairs of a sample with itself, which are constants and have no gradient.
    at::Tensor others = at::ones_like(same, same.options().requires_grad(false));
    others.diagonal(first).zero_();
    same = same * others;
    pairs = std::max(1.0, n * (n - 1));
  }
  return (same.sum() / pairs - kernel_of(own, block.z, prior).sum() * (2 / (n * n))).view(1);
}

const RegisteredRegulariser kMmd(
    {{.name = "mmd",
      .help = "maximum mean discrepancy of the codes from the prior (WAE, InfoVAE)",
      .own = base::own_keys<MmdSettings>([](base::Section& keys, MmdSettings& own) {
        keys.choice(
            "kernel", own.kernel, {{"imq", MmdKernel::imq}, {"rbf", MmdKernel::rbf}},
            "imq: inverse multiquadratics of seven widths (WAE); rbf: a Gaussian (InfoVAE)");
        keys.choice("estimator", own.estimator,
                    {{"unbiased", MmdEstimator::unbiased}, {"biased", MmdEstimator::biased}},
                    "unbiased: without the pairs of a sample with itself (U-statistic); biased: "
                    "with them (V-statistic)");
        keys.key("sigma", own.sigma, "the kernel's width is 2 * latent values * sigma^2").above(0);
      })},
     /*needs_posterior=*/false,
     /*in_nats=*/true},
    [](const RegulariserRequest& wanted) {
      SumOverPairs out;
      out.part = [own = wanted.settings<MmdSettings>()](const LatentRows& all, std::int64_t first,
                                                        std::int64_t count) {
        return mmd_part(own, all, first, count);
      };
      out.uses_prior = true;
      return MadeRegulariser(std::move(out));
    });

}  // namespace
}  // namespace vae_dist::objective
