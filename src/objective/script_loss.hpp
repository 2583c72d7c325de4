// A loss that was written in Python and saved as TorchScript (objective.name: script).
//
//   def forward(self, x: Tensor, outputs: Dict[str, Tensor], weights: Dict[str, Tensor])
//       -> Dict[str, Tensor]
//
// maps a batch to named scalars, of which the first is minimised and the others are reported. A
// method named `loss` is preferred to `forward`.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/script_method.hpp"
#include "objective/regulariser.hpp"
#include "objective/step_weights.hpp"
#include "objective/whole_batch.hpp"

namespace vae_dist::objective {

class ScriptLoss {
 public:
  /// Loads the file, onto the device and in the type of the model's parameters, and asks it with a
  /// batch of zeros for its names. It stays in the mode (training or evaluation) in which it was
  /// saved. The model is left as it was.
  ///
  /// Throws std::invalid_argument if the batch does not pass or what comes back is not scalars
  /// under names of lower-case letters, digits and _; if the model is in training mode and the
  /// first does not depend on a parameter that is trained, since ranks would wait for its gradient;
  /// and if the script would keep something from step to step (parameters of its own that ask for a
  /// gradient, changed buffers, assigned attributes).
  ScriptLoss(const std::string& file, model::LatentModel& model);

  /// The names of the scalars, in the script's order.
  const std::vector<std::string>& names() const { return names_; }

  /// Whether it draws random numbers. They are a function of LatentModel::draw_seed().
  bool draws_numbers() const { return method_.draws(); }

  /// Returns the scalars, averaged over the batch's `replicas` replicas, which lie one after the
  /// other: each is a batch of its own to the script. The first has a gradient. The script gets
  ///   x        [B, C, space...], as the network does
  ///   outputs  mu, z: [B, L]; log_var: [B, L], unless the latent is a point; reconstruction: what
  ///            the decoder gives, [B, C, space...]; second: its second head's output, if there is
  ///            one; condition: [B, Y], if there is one; observed: where x is known, 1 or 0, if
  ///            values may be missing
  ///   weights  kld_weight: M_N * beta(step), a scalar
  std::vector<at::Tensor> operator()(const model::LatentModel& model, const Forward& forward,
                                     const model::Sample& sample, const StepWeights& weights,
                                     std::int64_t replicas) const;

 private:
  using Named = std::vector<std::pair<std::string, at::Tensor>>;

  Named of_batch(const Forward& forward, const model::Sample& sample,
                 const c10::Dict<std::string, at::Tensor>& weights) const;
  void ask_for_names(model::LatentModel& model);
  void check_kept_nothing() const;

  torch::jit::Module script_;
  model::ScriptMethod method_;
  std::vector<std::string> names_;
  /// The tensors of the script by their names, and how often each had been written to when the
  /// script was loaded.
  std::vector<std::pair<std::string, at::Tensor>> tensors_;
  std::vector<std::int64_t> versions_;
};

}  // namespace vae_dist::objective
