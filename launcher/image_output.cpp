#include "launcher/image_output.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "data/hdf5_file.hpp"

namespace vae_dist {

OutputKind output_kind(const std::string& path) {
  if (path.ends_with(".png")) return OutputKind::png;
  if (path.ends_with(".h5")) return OutputKind::hdf5;
  throw BadInput(text("--out ", path, ": give a file that ends in .png (a labelled grid) or .h5 (the values)"));
}

void write_images_hdf5(const std::string& path, const std::vector<std::pair<std::string, at::Tensor>>& images) {
  Hdf5File file = Hdf5File::create(path);
  for (const auto& [name, tensor] : images) {
    const at::Tensor values = tensor.to(at::kFloat).contiguous();
    DatasetLayout layout;
    layout.shape = values.sizes().vec();
    layout.type = ElementType::float32;
    Hdf5Dataset dataset = file.create_dataset(name, layout);
    dataset.write_rows(0, values.size(0), std::span(values.const_data_ptr<float>(), static_cast<std::size_t>(values.numel())));
  }
  file.close();
}

}  // namespace vae_dist
