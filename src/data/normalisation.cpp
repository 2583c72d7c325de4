#include "data/normalisation.hpp"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "data/transform.hpp"

namespace vae_dist::data {

Normalisation Normalisation::only(std::vector<std::string> transforms, std::int64_t channels) {
  const auto count = static_cast<std::size_t>(channels);
  return {std::move(transforms), std::vector<double>(count, 0.0), std::vector<double>(count, 1.0)};
}

std::string Normalisation::text() const {
  nlohmann::json datasets = nlohmann::json::array();
  for (const StoredArray& array : arrays)
    datasets.push_back({{"name", array.name},
                        {"axes", array.axes},
                        {"channels", array.channels},
                        {"units", array.units}});
  return nlohmann::json{
      {"transform", transforms}, {"shift", shift}, {"factor", factor}, {"datasets", datasets}}
      .dump();
}

Normalisation Normalisation::parse(const std::string& text) {
  try {
    const nlohmann::json read = nlohmann::json::parse(text);
    Normalisation out{read.at("transform").get<std::vector<std::string>>(),
                      read.at("shift").get<std::vector<double>>(),
                      read.at("factor").get<std::vector<double>>()};
    for (const nlohmann::json& array : read.at("datasets"))
      out.arrays.push_back(
          {array.at("name"), array.at("axes"), array.at("channels"), array.value("units", "")});
    return out;
  } catch (const nlohmann::json::exception& error) {
    throw std::invalid_argument(error.what());
  }
}

Normaliser::Normaliser(Normalisation numbers, std::size_t axes, c10::Device device,
                       at::ScalarType type)
    : numbers_(std::move(numbers)) {
  for (const std::string& transform : numbers_.transforms) transform_named(transform);
  std::vector<std::int64_t> sizes(axes, 1);
  sizes.at(1) = static_cast<std::int64_t>(numbers_.shift.size());
  const auto on_device = [&](const std::vector<double>& values) {
    return at::tensor(values, at::kDouble).to(type).to(device).view(sizes);
  };
  shift_ = on_device(numbers_.shift);
  factor_ = on_device(numbers_.factor);
}

// Applies `change(transform, values)` to each run of channels that have the same transform.
template <typename Change>
at::Tensor Normaliser::by_channel(const at::Tensor& values, Change change) const {
  const std::vector<std::string>& names = numbers_.transforms;
  if (names.size() == 1) return change(transform_named(names.front()), values);
  std::vector<at::Tensor> parts;
  for (std::size_t begin = 0; begin < names.size();) {
    std::size_t end = begin + 1;
    while (end < names.size() && names[end] == names[begin]) ++end;
    parts.push_back(change(transform_named(names[begin]),
                           values.narrow(1, static_cast<std::int64_t>(begin),
                                         static_cast<std::int64_t>(end - begin))));
    begin = end;
  }
  return at::cat(parts, 1);
}

at::Tensor Normaliser::apply(const at::Tensor& stored) const {
  return by_channel(stored,
                    [](const Transform& f, const at::Tensor& part) { return f.apply(part); })
      .sub(shift_)
      .mul_(factor_);
}

at::Tensor Normaliser::undo(const at::Tensor& x) const {
  return by_channel(x.div(factor_).add_(shift_),
                    [](const Transform& f, const at::Tensor& part) { return f.undo(part); });
}

std::vector<std::pair<std::string, at::Tensor>> Normaliser::as_stored(const std::string& prefix,
                                                                      const at::Tensor& x) const {
  const std::int64_t axes = shift_.dim() - 1, samples = x.dim() - axes;  // of a sample; before it
  const at::Tensor values =
      undo(x.flatten(0, samples - 1))
          .unflatten(0, x.sizes().slice(0, static_cast<std::size_t>(samples)));
  std::vector<std::pair<std::string, at::Tensor>> out;
  std::int64_t first = 0;
  for (const StoredArray& array : numbers_.arrays) {
    at::Tensor part = values.narrow(samples, first, array.channels);
    first += array.channels;
    const bool has_channels = array.axes.find_first_of("CV") != std::string::npos;
    if (!has_channels) part = part.select(samples, 0);
    // The axes of a sample in `part`, in the model's order.
    std::string have =
        has_channels ? std::string(1, array.axes.find('V') == std::string::npos ? 'C' : 'V') : "";
    for (const char axis : {'D', 'H', 'W'})
      if (array.axes.find(axis) != std::string::npos) have += axis;
    std::vector<std::int64_t> order;
    for (std::int64_t i = 0; i < samples; ++i) order.push_back(i);
    for (const char axis : array.axes)
      order.push_back(samples + static_cast<std::int64_t>(have.find(axis)));
    out.emplace_back(numbers_.arrays.size() == 1 ? prefix : prefix + "/" + array.name,
                     part.permute(order).contiguous());
  }
  return out;
}

at::Tensor Normaliser::log_jacobian(const at::Tensor& stored) const {
  const at::Tensor of_values =
      by_channel(stored.to(at::kDouble),
                 [](const Transform& f, const at::Tensor& part) { return f.log_derivative(part); });
  // A missing value (NaN) has no density.
  return (of_values + factor_.to(at::kDouble).abs().log())
      .masked_fill(stored.isnan(), 0)
      .flatten(1)
      .sum(1);
}

}  // namespace vae_dist::data
