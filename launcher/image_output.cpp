#include "launcher/image_output.hpp"

#include <ATen/ATen.h>

#include <span>
#include <stdexcept>

#include "base/error.hpp"

namespace vae_dist::launcher {

OutputKind output_kind(const std::string& path) {
  if (path.ends_with(".png")) return OutputKind::png;
  if (path.ends_with(".h5")) return OutputKind::hdf5;
  throw base::BadInput(base::text(
      "--out ", path, ": name a file that ends in .png (a labelled grid) or .h5 (the values)"));
}

NamedTensors samples_for_file(const std::string& name, const at::Tensor& samples,
                              const data::Normaliser* normaliser) {
  if (!normaliser) return {{name, samples}};
  NamedTensors out;
  for (auto& [path, values] : normaliser->as_stored(name, samples.cpu()))
    out.push_back({path, values, normaliser->numbers().arrays.at(out.size()).units});
  return out;
}

namespace {

bool holds_integers(const at::Tensor& tensor) { return tensor.scalar_type() == at::kLong; }

hdf5::Hdf5Dataset make_dataset(hdf5::Hdf5File& file, const NamedTensor& tensor, std::int64_t rows) {
  hdf5::DatasetLayout layout;
  layout.shape = tensor.values.sizes().vec();
  layout.shape.at(0) = rows;
  layout.type =
      holds_integers(tensor.values) ? hdf5::ElementType::int64 : hdf5::ElementType::float32;
  hdf5::Hdf5Dataset dataset = file.create_dataset(tensor.name, layout);
  if (!tensor.units.empty()) dataset.set_attribute("units", tensor.units);
  return dataset;
}

void write_rows(hdf5::Hdf5Dataset& dataset, std::int64_t first, const at::Tensor& tensor) {
  const bool integers = holds_integers(tensor);
  const at::Tensor values = (integers ? tensor : tensor.to(at::kFloat)).contiguous();
  const auto count = static_cast<std::size_t>(values.numel());
  if (integers)
    dataset.write_rows(first, values.size(0),
                       std::span(values.const_data_ptr<std::int64_t>(), count));
  else
    dataset.write_rows(first, values.size(0), std::span(values.const_data_ptr<float>(), count));
}

}  // namespace

TensorFile::TensorFile(const std::string& path, std::int64_t rows)
    : partial_(path), file_(hdf5::Hdf5File::create(partial_.path())), rows_(rows) {}

void TensorFile::append(const NamedTensors& tensors) {
  if (datasets_.empty())
    for (const NamedTensor& tensor : tensors)
      datasets_.push_back(make_dataset(file_, tensor, rows_));
  for (std::size_t i = 0; i < tensors.size(); ++i)
    write_rows(datasets_.at(i), written_, tensors[i].values);
  written_ += tensors.front().values.size(0);
}

void TensorFile::commit() {
  if (written_ != rows_)
    throw std::logic_error(base::text("TensorFile: ", written_, " of ", rows_, " rows written"));
  datasets_.clear();
  file_.close();
  partial_.commit();
}

void write_tensors_hdf5(const std::string& path, const NamedTensors& tensors) {
  hdf5::PartialFile partial(path);
  hdf5::Hdf5File file = hdf5::Hdf5File::create(partial.path());
  for (const NamedTensor& tensor : tensors) {
    hdf5::Hdf5Dataset dataset = make_dataset(file, tensor, tensor.values.size(0));
    write_rows(dataset, 0, tensor.values);
  }
  file.close();
  partial.commit();
}

}  // namespace vae_dist::launcher
