#include "evaluate/latent_file.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <optional>
#include <sstream>

#include "base/error.hpp"
#include "base/list_of_ten.hpp"
#include "data/annotation_rows.hpp"
#include "evaluate/encoded_rows.hpp"

namespace vae_dist::evaluate {
namespace {

constexpr std::int64_t kAnnotationRows = 1 << 16;  // rows copied at once

void write(hdf5::Hdf5Dataset& to, std::int64_t first, const at::Tensor& rows) {
  const at::Tensor values = rows.contiguous();
  const auto count = static_cast<std::size_t>(values.numel());
  if (values.scalar_type() == at::kLong) {
    to.write_rows(first, values.size(0), std::span(values.const_data_ptr<std::int64_t>(), count));
  } else if (values.scalar_type() == at::kDouble) {
    to.write_rows(first, values.size(0), std::span(values.const_data_ptr<double>(), count));
  } else {
    to.write_rows(first, values.size(0), std::span(values.const_data_ptr<float>(), count));
  }
}

std::vector<std::string> own_names(const model::LatentModel& model) {
  std::vector<std::string> names = {"mu"};
  if (model.latent_kind() == base::LatentKind::posterior) names.emplace_back("log_var");
  if (model.codes()) names.emplace_back("codes");
  return names;
}

void copy_annotation(hdf5::Hdf5File& file, const std::string& path,
                     const data::SampleDataset& dataset, arrays::RowRange samples) {
  const hdf5::Hdf5Dataset from = dataset.rows().file(0).dataset(path);
  hdf5::Hdf5Dataset to = file.create_like(from, from.path(), samples.size());
  if (const auto names = from.text_list_attribute("names"); !names.empty())
    to.set_attribute("names", names);
  for (std::int64_t first = samples.first; first < samples.last; first += kAnnotationRows) {
    std::vector<std::int64_t> wanted(
        static_cast<std::size_t>(std::min(kAnnotationRows, samples.last - first)));
    std::iota(wanted.begin(), wanted.end(), first);
    to.write_stored(first - samples.first, static_cast<std::int64_t>(wanted.size()),
                    data::read_annotation_bytes(dataset, from.path(), wanted).values);
  }
}

}  // namespace

std::vector<std::string> chosen_labels(const data::SampleDataset& dataset,
                                       const std::string& chosen, const model::LatentModel& model) {
  const std::vector<std::string> own = own_names(model);
  const auto is_own_name = [&](const std::string& path) {
    return std::find(own.begin(), own.end(), path) != own.end();
  };
  std::vector<std::string> there, out;
  for (const hdf5::Hdf5Dataset& annotation : dataset.annotations())
    there.push_back(annotation.path());
  if (chosen.empty()) {
    std::copy_if(there.begin(), there.end(), std::back_inserter(out),
                 [&](const std::string& path) { return !is_own_name(path); });
    return out;
  }
  std::istringstream names(chosen == "none" ? "" : chosen);
  for (std::string name; std::getline(names, name, ',');) {
    if (std::find(there.begin(), there.end(), name) == there.end())
      throw base::BadInput(base::text("--labels ", name,
                                      ": the file has no such dataset with a number or a row of "
                                      "numbers for each image; it has ",
                                      there.empty() ? "none" : "only " + base::list_of_ten(there)));
    if (is_own_name(name))
      throw base::BadInput(
          base::text("--labels ", name, ": the codes themselves are stored under that name"));
    out.push_back(name);
  }
  return out;
}

std::vector<std::string> write_latents(const std::string& path, model::LatentModel& model,
                                       const data::SampleDataset& dataset,
                                       const std::vector<std::string>& labels,
                                       arrays::RowRange samples, const data::InputFormat& format,
                                       std::int64_t block, comm::CpuCommunicator& all_ranks) {
  const bool writes = all_ranks.rank() == 0, point = model.latent_kind() == base::LatentKind::point;
  hdf5::DatasetLayout layout;
  layout.shape = {samples.size(), model.latent_values()};
  layout.type =
      format.type == at::kDouble ? hdf5::ElementType::float64 : hdf5::ElementType::float32;
  std::optional<hdf5::Hdf5File> file;
  std::optional<hdf5::Hdf5Dataset> mu, log_var, codes;
  const model::VectorQuantizer* const quantizer = model.codes();
  std::vector<std::string> names = own_names(model);
  if (writes) {
    file = hdf5::Hdf5File::create(path);
    mu = file->create_dataset("mu", layout);
    if (!point) log_var = file->create_dataset("log_var", layout);
    if (quantizer) {
      layout.shape = {samples.size(), quantizer->vectors()};
      layout.type = hdf5::ElementType::int64;
      codes = file->create_dataset("codes", layout);
    }
  }
  encode_in_blocks(model, dataset, samples, format, block, all_ranks,
                   [&](const EncodedBlock& rows) {
                     if (!writes) return;
                     write(*mu, rows.first - samples.first, rows.mu);
                     if (log_var) write(*log_var, rows.first - samples.first, rows.log_var);
                     if (codes)
                       write(*codes, rows.first - samples.first,
                             quantizer->codes_of(rows.mu.to(quantizer->codebook.device())).cpu());
                   });
  if (!writes) return {};
  for (const std::string& label : labels) {
    copy_annotation(*file, label, dataset, samples);
    names.push_back(label);
  }
  file->close();
  return names;
}

}  // namespace vae_dist::evaluate
