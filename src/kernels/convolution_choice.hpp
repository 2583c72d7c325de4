// Which way computes which convolution: a pure table, one way for all, or a list by shape.
#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kernels/convolution.hpp"
#include "kernels/instruction_set.hpp"

namespace vae_dist::kernels {

/// Returns the ways that the table of measurements in the code prefers (convolution_table.cpp): a
/// pure function of its arguments. `threads`: of LibTorch, in this process. `bfloat16`: for that
/// type.
ConvolutionWays ways_from_table(const ConvolutionShape& shape, at::ScalarType type,
                                InstructionSet set, int threads,
                                Bfloat16Products bfloat16 = bfloat16_products());

/// What the layers of a model ask. May be used by several threads at a time.
///
/// A list or a forced way holds while the model trains. Otherwise the pure table is taken, so that
/// the numbers of an evaluation do not depend on what was measured at a start.
class ConvolutionChoice {
 public:
  using ByShape = std::map<ConvolutionShape, ConvolutionWays>;

  /// The pure table.
  ConvolutionChoice() = default;

  /// One way wherever it can serve, else LibTorch's.
  explicit ConvolutionChoice(ConvolutionWay forced) : forced_(forced) {}

  /// The ways of these shapes; the pure table for others.
  explicit ConvolutionChoice(ByShape by_shape) : by_shape_(std::move(by_shape)) {}

  /// Says whether the layers train from now on. At first they do.
  void train(bool on) { trains_ = on; }

  /// Returns the ways for a layer, and remembers that its shape was asked for.
  ConvolutionWays ways(const ConvolutionShape& shape, at::ScalarType type);

  /// Returns the shapes that were asked for, each once, in their order.
  std::vector<ConvolutionShape> shapes_asked() const;

  const std::optional<ConvolutionWay>& forced() const { return forced_; }
  const ByShape& by_shape() const { return by_shape_; }

  /// Returns {"forced": null, "by_shape": {"conv 32->64 ...": {"forward": "direct", ...}, ...}}.
  std::string to_json() const;

  /// Returns what to_json() wrote: `forced` and `by_shape`, from which the same choice is made.
  /// Throws std::invalid_argument, saying what is wrong.
  struct Written {
    std::optional<ConvolutionWay> forced;
    ByShape by_shape;
  };
  static Written parse_json(const std::string& text);
  explicit ConvolutionChoice(Written written)
      : forced_(written.forced), by_shape_(std::move(written.by_shape)) {}

 private:
  std::optional<ConvolutionWay> forced_;
  ByShape by_shape_;
  std::atomic<bool> trains_ = true;
  mutable std::mutex mutex_;
  std::set<ConvolutionShape> asked_;  // under mutex_
};

/// The same with no choice at hand: the pure table.
ConvolutionWays ways_or_table(ConvolutionChoice* choice, const ConvolutionShape& shape,
                              at::ScalarType type);

}  // namespace vae_dist::kernels
