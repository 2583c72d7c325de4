// A method of a TorchScript file, as `torch.jit.script(module).save(FILE)` writes it: what it draws
// and what it changes is known before it runs, so that what would depend on the number of ranks is
// refused or taken care of.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace vae_dist::model {

/// Loads a script onto the CPU, and fixes for the whole process how scripts are executed: the
/// executor that observes the first runs and then fuses operations would change results in the
/// middle of a run, and again after a resume. Throws std::invalid_argument if the file cannot be
/// read as TorchScript.
torch::jit::Module load_script(const std::string& file);

class ScriptMethod {
 public:
  /// `method`: "encode"; where the script has none, its method forward serves. `key`: the key of
  /// the configuration that names the file, for messages. Throws std::invalid_argument if the
  /// script has neither method, if the method assigns attributes, or if it has a random generator
  /// of its own.
  ScriptMethod(torch::jit::Module script, const std::string& method, const std::string& key);

  /// Whether it can be called with so many arguments; those with defaults may be left out.
  bool takes(std::size_t count) const;

  /// Whether it may write to its argument of this index, so that whoever needs it gives a copy.
  bool changes_argument(std::size_t index) const { return changed_arguments_.contains(index); }

  /// Whether it draws random numbers, in training mode at least.
  bool draws() const { return draws_; }

  /// Whether it may change this buffer of the script in place, in training mode at least. A script
  /// that changes one may be said to change others too.
  bool changes(const at::Tensor& buffer) const {
    return changes_any_ || changed_.contains(buffer.unsafeGetTensorImpl());
  }

  /// For messages: "model.encoder (encode)".
  std::string name() const;

  torch::jit::IValue run(std::vector<torch::jit::IValue> arguments) const;

 private:
  class Reader;  // of the method's graph, with everything that it calls inlined

  torch::jit::Module script_;
  std::string key_, name_;
  bool draws_ = false, changes_any_ = false;
  std::set<const void*> changed_;
  std::set<std::size_t> changed_arguments_;
};

/// From now on the random numbers that scripts draw on `device` are a function of the seed alone.
void seed_script_draws(c10::Device device, std::uint64_t seed);

}  // namespace vae_dist::model
