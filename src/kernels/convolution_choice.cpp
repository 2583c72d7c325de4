#include "kernels/convolution_choice.hpp"

#include <ATen/Parallel.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/text.hpp"

namespace vae_dist::kernels {
ConvolutionWays ConvolutionChoice::ways(const ConvolutionShape& shape, at::ScalarType type) {
  {
    const std::lock_guard lock(mutex_);
    asked_.insert(shape);
  }
  if (forced_ && trains_) {
    ConvolutionWays out;
    for (const ConvolutionDirection direction : kConvolutionDirections)
      if (can_serve(*forced_, direction, shape, type)) out.of(direction) = *forced_;
    return out;
  }
  const auto found = trains_ ? by_shape_.find(shape) : by_shape_.end();
  return found == by_shape_.end()
             ? ways_from_table(shape, type, instruction_set(), at::get_num_threads())
             : found->second;
}

std::vector<ConvolutionShape> ConvolutionChoice::shapes_asked() const {
  const std::lock_guard lock(mutex_);
  return {asked_.begin(), asked_.end()};
}

std::string ConvolutionChoice::to_json() const {
  nlohmann::json by_shape = nlohmann::json::object();
  for (const auto& [shape, ways] : by_shape_)
    for (const ConvolutionDirection direction : kConvolutionDirections)
      by_shape[shape.text()][word(direction)] = word(ways.of(direction));
  nlohmann::json out = {{"forced", nullptr}, {"by_shape", by_shape}};
  if (forced_) out["forced"] = word(*forced_);
  return out.dump(2) + "\n";
}

ConvolutionChoice::Written ConvolutionChoice::parse_json(const std::string& text) {
  Written out;
  try {
    const nlohmann::json read = nlohmann::json::parse(text);
    const nlohmann::json& forced = read.at("forced");
    if (!forced.is_null()) out.forced = convolution_way(forced.get<std::string>());
    for (const auto& [shape, ways] : read.at("by_shape").items()) {
      ConvolutionWays& to = out.by_shape[ConvolutionShape::parse(shape)];
      for (const ConvolutionDirection direction : kConvolutionDirections)
        to.of(direction) = convolution_way(ways.at(word(direction)).get<std::string>());
    }
  } catch (const nlohmann::json::exception& error) {
    throw std::invalid_argument(base::text("no choice of convolutions: ", error.what()));
  }
  return out;
}

ConvolutionWays ways_or_table(ConvolutionChoice* choice, const ConvolutionShape& shape,
                              at::ScalarType type) {
  return choice ? choice->ways(shape, type)
                : ways_from_table(shape, type, instruction_set(), at::get_num_threads());
}

}  // namespace vae_dist::kernels
