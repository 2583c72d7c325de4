#include "launcher/image_output.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "hdf5/file.hpp"
#include "hdf5/partial_file.hpp"

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
  return normaliser->as_stored(name, samples.cpu());
}

void write_tensors_hdf5(const std::string& path, const NamedTensors& tensors) {
  hdf5::PartialFile partial(path);
  hdf5::Hdf5File file = hdf5::Hdf5File::create(partial.path());
  for (const auto& [name, tensor] : tensors) {
    const bool integers = tensor.scalar_type() == at::kLong;
    const at::Tensor values = (integers ? tensor : tensor.to(at::kFloat)).contiguous();
    hdf5::DatasetLayout layout;
    layout.shape = values.sizes().vec();
    layout.type = integers ? hdf5::ElementType::int64 : hdf5::ElementType::float32;
    hdf5::Hdf5Dataset dataset = file.create_dataset(name, layout);
    const auto count = static_cast<std::size_t>(values.numel());
    if (integers) {
      dataset.write_rows(0, values.size(0),
                         std::span(values.const_data_ptr<std::int64_t>(), count));
    } else {
      dataset.write_rows(0, values.size(0), std::span(values.const_data_ptr<float>(), count));
    }
  }
  file.close();
  partial.commit();
}

}  // namespace vae_dist::launcher
