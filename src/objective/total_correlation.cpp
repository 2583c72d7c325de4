// The parts of the KL divergence of the aggregate posterior (Chen et al. 2018, "Isolating Sources
// of Disentanglement in Variational Autoencoders", eq. 2):
//
//   E KL(q(z|x) || p(z)) =  E log q(z|x) - log q(z)                index_code: mutual information
//                         + E log q(z) - sum_d log q(z_d)          tc: total correlation
//                         + E sum_d [log q(z_d) - log p(z_d)]      dimension_wise
//
// With a weight w of tc beside a KL of weight beta, this is their beta-TCVAE: at beta 1 its beta is
// 1 + w. q(z) = 1/N sum_n q(z|x_n) is estimated from the G samples of the batch (their appendix C):
//
//   stratified   log q(z_i) = log [ 1/N q(z_i|x_i) + sum_{j != i} (N-1)/(N(G-1)) q(z_i|x_j) ]
//   weighted     log q(z_i) = log [ 1/(NG) sum_j q(z_i|x_j) ]
//
// and log q(z_id) likewise. In `stratified` the weight 1/N belongs to the sample's own posterior,
// whose density is the largest by far, wherever it stands in the batch. Both estimates depend on G,
// which is why G must be the global batch.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/aggregate_posterior.hpp"
#include "objective/regulariser.hpp"

namespace vae_dist::objective {
namespace {

enum class TcEstimator { stratified, weighted };

struct TcSettings {
  TcEstimator estimator = TcEstimator::stratified;
  double index_code = 0, dimension_wise = 0;
};

struct LogWeights {
  double own, other;
};

LogWeights log_weights(TcEstimator estimator, std::int64_t batch, std::int64_t training_samples) {
  const auto g = static_cast<double>(batch),
             n = static_cast<double>(std::max(training_samples, batch));
  if (estimator == TcEstimator::weighted || batch == 1) return {-std::log(n * g), -std::log(n * g)};
  return {-std::log(n), std::log((n - 1) / (n * (g - 1)))};
}

// log q(z_i), log q(z_id) and log q(z_i | x_i) of codes, with gradients.
struct Densities {
  at::Tensor log_q_z, log_q_dimensions, log_q_own;  // [B], [B, L], [B]
};

struct FusedDensities : torch::autograd::Function<FusedDensities> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx,
                                                const at::Tensor& z, const at::Tensor& mu,
                                                const at::Tensor& log_var, std::int64_t first,
                                                double own, double other) {
    const kernels::AggregateDensities out =
        kernels::aggregate_densities({z, mu, log_var, first, own, other});
    ctx->save_for_backward(
        {z, mu, log_var, out.log_q_z, out.log_q_dimensions, out.log_q_own, out.joint});
    ctx->saved_data["first"] = first;
    ctx->saved_data["own"] = own;
    ctx->saved_data["other"] = other;
    return {out.log_q_z, out.log_q_dimensions, out.log_q_own};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list slopes) {
    const torch::autograd::variable_list saved = ctx->get_saved_variables();
    const kernels::AggregateRequest request{saved[0],
                                            saved[1],
                                            saved[2],
                                            ctx->saved_data["first"].toInt(),
                                            ctx->saved_data["own"].toDouble(),
                                            ctx->saved_data["other"].toDouble()};
    const auto defined = [&](std::size_t i) {
      return slopes[i].defined() ? slopes[i] : at::zeros_like(saved[3 + i]);
    };
    const kernels::AggregateGradients out = kernels::aggregate_gradients(
        request, {saved[3], saved[4], saved[5], saved[6]}, defined(0), defined(1), defined(2));
    return {out.z, out.mu, out.log_var, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

Densities densities(const LatentRows& all, std::int64_t first, std::int64_t count,
                    const LogWeights& weights) {
  const at::Tensor z = all.z.narrow(0, first, count);
  const at::Tensor &mu = all.posterior.mu, &log_var = all.posterior.log_var;
  if (kernels::has_aggregate_kernel({z, mu, log_var, first})) {
    const auto out = FusedDensities::apply(z, mu, log_var, first, weights.own, weights.other);
    return {out[0], out[1], out[2]};
  }
  // log q(z_id | x_j): [count, G, L]
  const at::Tensor log_q = -0.5 * ((z.unsqueeze(1) - mu).square() * (-log_var).exp() + log_var +
                                   std::log(2 * std::numbers::pi));
  at::Tensor of_pair = at::full({count, mu.size(0)}, weights.other,
                                log_q.options().requires_grad(false));  // [count, G]
  of_pair.diagonal(first).fill_(weights.own);
  const at::Tensor joint = log_q.sum(2);
  return {at::logsumexp(joint + of_pair, 1), at::logsumexp(log_q + of_pair.unsqueeze(2), 1),
          joint.diagonal(first)};
}

// Returns tc, index_code and dimension_wise of a part of the batch: [3].
at::Tensor tc_part(TcEstimator estimator, std::int64_t training_samples, const LatentRows& all,
                   std::int64_t first, std::int64_t count) {
  const std::int64_t batch = all.z.size(0);
  const auto [log_q_z, log_q_dimensions, log_q_own] =
      densities(all, first, count, log_weights(estimator, batch, training_samples));
  const at::Tensor of_dimensions = log_q_dimensions.sum(1);
  const at::Tensor log_p =
      -0.5 * (all.z.narrow(0, first, count).square() + std::log(2 * std::numbers::pi)).sum(1);
  return at::stack({(log_q_z - of_dimensions).sum(), (log_q_own - log_q_z).sum(),
                    (of_dimensions - log_p).sum()}) /
         static_cast<double>(batch);
}

const RegisteredRegulariser kTotalCorrelation(
    {{.name = "tc",
      .help = "total correlation of the aggregate posterior (beta-TCVAE; Chen et al. 2018)",
      .own = base::own_keys<TcSettings>([](base::Section& keys, TcSettings& own) {
        keys.choice("estimator", own.estimator,
                    {{"stratified", TcEstimator::stratified}, {"weighted", TcEstimator::weighted}},
                    "how the batch estimates q(z): minibatch stratified or weighted sampling");
        keys.key("index_code", own.index_code,
                 "factor of the mutual information of sample and code")
            .at_least(0);
        keys.key("dimension_wise", own.dimension_wise,
                 "factor of the KL divergence of each dimension from the prior")
            .at_least(0);
      })},
     /*needs_posterior=*/true,
     /*in_nats=*/true,
     /*estimates_total_correlation=*/true,
     /*reads_training_samples=*/true},
    [](const RegulariserRequest& wanted) {
      const auto& own = wanted.settings<TcSettings>();
      SumOverPairs out;
      out.per_dimension = true;
      out.part = [estimator = own.estimator, n = wanted.training_samples](
                     const LatentRows& all, std::int64_t first, std::int64_t count) {
        return tc_part(estimator, n, all, first, count);
      };
      return MadeRegulariser(std::move(out), {{"tc_index_code", own.index_code},
                                              {"tc_dimension_wise", own.dimension_wise}});
    });

}  // namespace
}  // namespace vae_dist::objective
