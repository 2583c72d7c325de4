// Loads a case of golden_cases.py with its reference numbers from a file written by
// make_golden_numbers.py.
#pragma once

#include <ATen/ATen.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "checkpoint/safetensors.hpp"
#include "config/load_config.hpp"
#include "data/sample_dataset.hpp"

namespace vae_dist {

inline std::filesystem::path golden_folder() {
  const char* folder = std::getenv("VAE_DIST_GOLDEN_NUMBERS");
  if (folder == nullptr)
    throw std::runtime_error(
        "VAE_DIST_GOLDEN_NUMBERS must name the output folder of make_golden_numbers.py");
  return folder;
}

inline double largest(const at::Tensor& tensor) { return tensor.abs().max().item<double>(); }

class GoldenCase {
 public:
  explicit GoldenCase(const std::string& name)
      : origin_((golden_folder() / (name + ".safetensors")).string()),
        file_(checkpoint::read_safetensors(origin_)) {}

  const std::string& origin() const { return origin_; }
  const at::Tensor& tensor(const std::string& name) const { return file_.tensors.at(name); }

  /// Returns a fact about the data, such as "channels" or "training_samples".
  std::int64_t fact(const std::string& name) const { return std::stoll(file_.metadata.at(name)); }
  arrays::SampleShape shape() const { return {fact("channels"), {fact("height"), fact("width")}}; }

  bool has(const std::string& name) const { return file_.tensors.contains(name); }

  /// Returns the space axes of a case of other arrays; images have a height and a width.
  std::vector<std::int64_t> space() const {
    const auto given = file_.metadata.find("space");
    if (given == file_.metadata.end()) return {fact("height"), fact("width")};
    std::vector<std::int64_t> sizes;
    std::istringstream text(given->second.substr(1));  // "[5, 4, 6]"
    for (std::int64_t size = 0; text >> size; text.ignore()) sizes.push_back(size);
    return sizes;
  }

  /// Returns the tensors whose names begin with `prefix`, under their names without the prefix.
  std::map<std::string, at::Tensor> group(const std::string& prefix) const {
    std::map<std::string, at::Tensor> out;
    for (const auto& [name, tensor] : file_.tensors)
      if (name.starts_with(prefix)) out[name.substr(prefix.size())] = tensor;
    return out;
  }

  /// Returns our defaults overridden by the case's keys, as on a command line.
  config::Config config(const std::string& precision, bool channels_last) const {
    std::vector<std::string> overrides = {
        "train.precision=" + precision,
        std::string("train.channels_last=") + (channels_last ? "true" : "false")};
    for (const auto& [key, value] : file_.metadata)
      if (key.find('.') != std::string::npos) overrides.push_back(key + "=" + value);
    return config::parse_config("run: {name: golden}\ndata: {train: {file: golden.h5}}", origin_,
                                overrides);
  }

 private:
  std::string origin_;
  checkpoint::TensorFile file_;
};

}  // namespace vae_dist
