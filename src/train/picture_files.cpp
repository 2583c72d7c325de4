#include "train/picture_files.hpp"

#include "picture/image_grid.hpp"

namespace vae_dist {
namespace {

constexpr int kColumns = 8;

std::vector<Picture> pictures_of(const at::Tensor& images, double low, double high) {
  std::vector<Picture> out;
  for (auto& bytes : image_bytes(images, low, high))
    out.push_back({static_cast<int>(images.size(2)), static_cast<int>(images.size(3)), static_cast<int>(images.size(1)), std::move(bytes)});
  return out;
}

}  // namespace

void write_sample_grid(const std::filesystem::path& path, const at::Tensor& images, double low, double high, const std::string& title) {
  GridOptions options;
  options.title = title;
  options.columns = kColumns;
  write_image_grid(path, pictures_of(images, low, high), options);
}

void write_reconstruction_grid(const std::filesystem::path& path, const Reconstructions& pairs, double low, double high, const std::string& title) {
  const std::vector<Picture> originals = pictures_of(pairs.originals, low, high), reconstructions = pictures_of(pairs.reconstructions, low, high);
  GridOptions options;
  options.title = title;
  options.columns = kColumns;
  std::vector<Picture> rows;
  for (std::size_t first = 0; first < originals.size(); first += kColumns) {
    const std::size_t last = std::min(originals.size(), first + kColumns);
    // Only whole rows of originals have their reconstructions right below.
    if (last - first < kColumns && first > 0) break;
    rows.insert(rows.end(), originals.begin() + static_cast<std::ptrdiff_t>(first), originals.begin() + static_cast<std::ptrdiff_t>(last));
    rows.insert(rows.end(), reconstructions.begin() + static_cast<std::ptrdiff_t>(first), reconstructions.begin() + static_cast<std::ptrdiff_t>(last));
    options.row_labels.insert(options.row_labels.end(), {"input", "output"});
    if (last - first < kColumns) options.columns = static_cast<int>(last - first);
  }
  write_image_grid(path, rows, options);
}

}  // namespace vae_dist
