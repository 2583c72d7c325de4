#include "evaluate/latent_file.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "data/companion_rows.hpp"
#include "evaluate/encoded_rows.hpp"

namespace vae_dist {
namespace {

constexpr std::int64_t kCompanionRows = 1 << 16;  // copied at once

void write(Hdf5Dataset& to, std::int64_t first, const at::Tensor& rows) {
  const at::Tensor values = rows.contiguous();
  const auto count = static_cast<std::size_t>(values.numel());
  if (values.scalar_type() == at::kDouble) {
    to.write_rows(first, values.size(0), std::span(values.const_data_ptr<double>(), count));
  } else {
    to.write_rows(first, values.size(0), std::span(values.const_data_ptr<float>(), count));
  }
}

void copy_companion(Hdf5File& file, const Hdf5Dataset& from, const ImageDataset& dataset, RowRange samples) {
  const bool integers = from.type() == ElementType::uint8 || from.type() == ElementType::int64;
  DatasetLayout layout;
  layout.shape = from.shape();
  layout.shape[0] = samples.size();
  layout.type = integers ? ElementType::int64 : ElementType::float64;
  Hdf5Dataset to = file.create_dataset(from.path(), layout);
  if (const auto names = from.text_list_attribute("names"); !names.empty()) to.set_attribute("names", names);
  for (std::int64_t first = samples.first; first < samples.last; first += kCompanionRows) {
    std::vector<std::int64_t> wanted(static_cast<std::size_t>(std::min(kCompanionRows, samples.last - first)));
    std::iota(wanted.begin(), wanted.end(), first);
    const CompanionRows rows = read_companion(dataset, from.path(), wanted);
    const auto count = static_cast<std::int64_t>(wanted.size()), place = first - samples.first;
    if (integers) {
      std::vector<std::int64_t> values(rows.values.size());
      std::transform(rows.values.begin(), rows.values.end(), values.begin(), [](double value) { return std::llround(value); });
      to.write_rows(place, count, std::span<const std::int64_t>(values));
    } else {
      to.write_rows(place, count, std::span<const double>(rows.values));
    }
  }
}

}  // namespace

std::vector<std::string> write_latents(const std::string& path, LatentModel& model, const ImageDataset& dataset, RowRange samples, const InputFormat& format, std::int64_t block,
                                       Communicator& host) {
  const bool writes = host.rank() == 0, point = model.latent_kind() == LatentKind::point;
  DatasetLayout layout;
  layout.shape = {samples.size(), model.latent_values()};
  layout.type = format.type == at::kDouble ? ElementType::float64 : ElementType::float32;
  std::optional<Hdf5File> file;
  std::optional<Hdf5Dataset> mu, log_var;
  std::vector<std::string> names = {"mu"};
  if (writes) {
    file = Hdf5File::create(path);
    mu = file->create_dataset("mu", layout);
    if (!point) log_var = file->create_dataset("log_var", layout);
  }
  if (!point) names.emplace_back("log_var");
  encode_in_blocks(model, dataset, samples, format, block, host, [&](const EncodedBlock& rows) {
    if (!writes) return;
    write(*mu, rows.first - samples.first, rows.mu);
    if (log_var) write(*log_var, rows.first - samples.first, rows.log_var);
  });
  if (!writes) return {};
  for (const Hdf5Dataset& companion : dataset.companions()) {
    if (companion.path() == "mu" || companion.path() == "log_var") continue;
    copy_companion(*file, companion, dataset, samples);
    names.push_back(companion.path());
  }
  file->close();
  return names;
}

}  // namespace vae_dist
