#include "step/whole_batch_pass.hpp"

#include <ATen/ATen.h>

namespace vae_dist::step {
namespace {

// Recorded work reads `kept`, so it stays where it is.
void keep(at::Tensor& kept, const at::Tensor& value) {
  if (!value.defined()) return;
  if (kept.defined())
    kept.copy_(value);
  else
    kept = value.clone();
}

}  // namespace

WholeBatchPass::WholeBatchPass(const objective::Objective& objective,
                               const model::Likelihood& likelihood, const WholeBatchPlan& plan,
                               parallel::BucketExchange* exchange)
    : objective_(objective), likelihood_(likelihood), plan_(plan), exchange_(exchange) {}

void WholeBatchPass::allocate(const objective::BatchShare& share) {
  allocated_ = true;
  const at::Tensor& like = share.means.defined() ? share.means : share.rows.front();
  const at::TensorOptions options = like.options().requires_grad(false);
  means_ = share.means.defined() ? share.means.numel() : 0;
  fields_ = static_cast<std::int64_t>(share.rows.size());
  latent_ = fields_ > 0 ? share.rows.front().size(1) : 0;
  const std::int64_t per_sample = fields_ * latent_;
  written_ = at::zeros({means_ + per_sample * plan_.samples_per_batch()}, options);
  collected_ = at::zeros({means_ + per_sample * plan_.global_batch}, options);
  if (objective_.pair_values() > 0)
    slopes_ = at::zeros({per_sample * plan_.global_batch + objective_.pair_values()}, options);
  if (!plan_.reproducible) return;
  if (means_ > 0 && plan_.batches > 1)
    means_tree_.emplace(collected_.slice(0, 0, means_), plan_.batches);
  if (slopes_.defined() && plan_.replicas > 1) slopes_tree_.emplace(slopes_, plan_.replicas);
}

void WholeBatchPass::begin() {
  batch_ = 0;
  waited_ = base::Seconds(0);
  if (!allocated_) return;
  const at::NoGradGuard no_grad;
  collected_.zero_();
  if (means_tree_) means_tree_->clear();
}

void WholeBatchPass::write(const objective::BatchShare& share) {
  const at::NoGradGuard no_grad;
  if (!allocated_) allocate(share);
  if (means_ > 0) written_.slice(0, 0, means_).copy_(share.means);
  if (fields_ == 0) return;
  const at::Tensor rows =
      written_.slice(0, means_).view({fields_, plan_.samples_per_batch(), latent_});
  for (std::int64_t field = 0; field < fields_; ++field)
    rows[field].copy_(share.rows[static_cast<std::size_t>(field)]);
}

void WholeBatchPass::collected() {
  const at::NoGradGuard no_grad;
  if (means_ > 0) {
    collected_.slice(0, 0, means_)
        .add_(written_.slice(0, 0, means_), 1.0 / static_cast<double>(plan_.global_batches));
    if (means_tree_) {
      if (batch_ + 1 < plan_.batches)
        means_tree_->take();
      else
        means_tree_->fold(0, means_);
    }
  }
  if (fields_ > 0) {
    const std::int64_t samples = plan_.samples_per_batch();
    // Added to the zeros, as a sum over ranks does it, so that not even the sign of a zero depends
    // on the number of ranks.
    collected_.slice(0, means_)
        .view({fields_, plan_.global_batch, latent_})
        .narrow(1, plan_.first_sample + batch_ * samples, samples)
        .add_(written_.slice(0, means_).view({fields_, samples, latent_}));
  }
  ++batch_;
}

void WholeBatchPass::sum_over_ranks(const at::Tensor& tensor, const char* what) {
  if (!exchange_) return;
  const base::Stopwatch waiting;
  exchange_->start(tensor, comm::Wire::exact, what);
  exchange_->finish();
  waited_ += waiting.elapsed();
}

std::vector<at::Tensor> WholeBatchPass::fields_of(const at::Tensor& flat) const {
  return flat.slice(0, 0, fields_ * plan_.global_batch * latent_)
      .view({fields_, plan_.global_batch, latent_})
      .unbind(0);
}

void WholeBatchPass::add_pairs(const objective::StepWeights& weights) {
  const std::vector<at::Tensor> rows = fields_of(collected_.slice(0, means_)),
                                slopes = fields_of(slopes_);
  const at::Tensor values = slopes_.slice(0, fields_ * plan_.global_batch * latent_);
  const std::int64_t of_replica = plan_.samples_per_rank() / plan_.replicas;
  slopes_.zero_();
  if (slopes_tree_) slopes_tree_->clear();
  for (std::int64_t replica = 0; replica < plan_.replicas; ++replica) {
    objective_.add_pairs(rows, plan_.first_sample + replica * of_replica, of_replica, weights,
                         slopes, values);
    if (!slopes_tree_) continue;
    if (replica + 1 < plan_.replicas)
      slopes_tree_->take();
    else
      slopes_tree_->fold(0, slopes_.numel());
  }
  sum_over_ranks(slopes_, "whole batch, slopes");
}

void WholeBatchPass::agree(const objective::StepWeights& weights) {
  const at::NoGradGuard no_grad;
  sum_over_ranks(collected_, "whole batch");
  objective::WholeBatch whole =
      objective_.of_means(likelihood_, collected_.slice(0, 0, means_), weights);
  if (slopes_.defined()) {
    add_pairs(weights);
    objective_.add_pair_values(slopes_.slice(0, fields_ * plan_.global_batch * latent_), weights,
                               whole);
  }
  if (objective_.has_critics()) {
    const objective::LatentRows rows = objective_.rows_of(fields_of(collected_.slice(0, means_)));
    critics_ = objective::critic_batch(rows.z, rows.prior);
  }
  keep(of_batch_.loss, whole.loss);
  keep(of_batch_.reconstruction, whole.reconstruction);
  keep(of_batch_.mean_gradients, whole.mean_gradients);
  of_batch_.regularisers.resize(whole.regularisers.size());
  for (std::size_t i = 0; i < whole.regularisers.size(); ++i)
    keep(of_batch_.regularisers[i], whole.regularisers[i]);
  batch_ = 0;
}

void WholeBatchPass::next() {
  const at::NoGradGuard no_grad;
  const std::int64_t samples = plan_.samples_per_batch(),
                     first = plan_.first_sample + batch_ * samples;
  if (critics_.z.defined()) {
    keep(of_batch_.critics.z, critics_.z.narrow(0, first, samples));
    keep(of_batch_.critics.is_permuted, critics_.is_permuted.narrow(0, first, samples));
    keep(of_batch_.critics.weight, critics_.weight.narrow(0, first, samples));
  }
  if (slopes_.defined()) {
    const std::vector<at::Tensor> slopes = fields_of(slopes_);
    of_batch_.row_gradients.resize(slopes.size());
    for (std::size_t field = 0; field < slopes.size(); ++field)
      keep(of_batch_.row_gradients[field],
           slopes[field].narrow(0, first, samples) * static_cast<double>(plan_.global_batches));
  }
  ++batch_;
}

std::uint64_t WholeBatchPass::bytes_per_step() const {
  std::uint64_t bytes = 0;
  for (const auto& [what, of_sum] : sequence()) bytes += of_sum;
  return bytes;
}

std::vector<base::ProgressWords::Collective> WholeBatchPass::sequence() const {
  if (!allocated_) return {};
  std::vector<base::ProgressWords::Collective> out = {{"whole batch", collected_.nbytes()}};
  if (slopes_.defined()) out.push_back({"whole batch, slopes", slopes_.nbytes()});
  return out;
}

}  // namespace vae_dist::step
