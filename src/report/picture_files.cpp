#include "report/picture_files.hpp"

#include <ATen/ATen.h>

#include <iomanip>

#include "base/digits.hpp"
#include "base/text.hpp"
#include "evaluate/evaluation_report.hpp"
#include "plot/image_grid.hpp"

namespace vae_dist::report {
namespace {

constexpr int kColumns = 8;

}  // namespace

void write_sample_grid(const std::filesystem::path& path, const at::Tensor& images, Shades shades,
                       const std::string& title) {
  plot::GridOptions options;
  options.title = title;
  options.columns = kColumns;
  plot::write_image_grid(path, pictures_of(images, shades), options);
}

void write_reconstruction_grid(const std::filesystem::path& path,
                               const evaluate::Reconstructions& pairs, Shades shades,
                               const std::string& title) {
  // Both in the shades of the originals.
  shades = shades.for_values(pairs.originals);
  const std::vector<plot::Picture> originals = pictures_of(pairs.originals, shades),
                                   reconstructions = pictures_of(pairs.reconstructions, shades);
  plot::GridOptions options;
  options.title = title;
  options.columns = kColumns;
  std::vector<plot::Picture> rows;
  for (std::size_t first = 0; first < originals.size(); first += kColumns) {
    const std::size_t last = std::min(originals.size(), first + kColumns);
    // Only whole rows of originals have their reconstructions right below.
    if (last - first < kColumns && first > 0) break;
    rows.insert(rows.end(), originals.begin() + static_cast<std::ptrdiff_t>(first),
                originals.begin() + static_cast<std::ptrdiff_t>(last));
    rows.insert(rows.end(), reconstructions.begin() + static_cast<std::ptrdiff_t>(first),
                reconstructions.begin() + static_cast<std::ptrdiff_t>(last));
    options.row_labels.insert(options.row_labels.end(), {"input", "output"});
    if (last - first < kColumns) options.columns = static_cast<int>(last - first);
  }
  plot::write_image_grid(path, rows, options);
}

void write_interpolation_grid(const std::filesystem::path& path,
                              const evaluate::Interpolations& walks, Shades shades,
                              const std::string& title) {
  const std::int64_t steps = walks.images.size(1);
  plot::GridOptions options;
  options.title = title;
  options.columns = static_cast<int>(steps) + 2;
  options.column_labels = {"input"};
  for (std::int64_t i = 0; i < steps; ++i)
    options.column_labels.push_back(
        base::digits(static_cast<double>(i) / static_cast<double>(steps - 1), 3));
  options.column_labels.emplace_back("input");
  const at::Tensor rows =
      at::cat({walks.originals.narrow(1, 0, 1), walks.images, walks.originals.narrow(1, 1, 1)}, 1);
  plot::write_image_grid(path, pictures_of(rows.flatten(0, 1), shades), options);
}

void write_traversal_grid(const std::filesystem::path& path, const evaluate::Traversals& walks,
                          Shades shades, const std::string& title) {
  plot::GridOptions options;
  options.title = title;
  const char* unit = !walks.in_quantiles ? "standard deviations of the prior"
                     : walks.in_nats     ? "quantiles of the aggregate posterior"
                                         : "quantiles of the codes";
  options.subtitle = base::text("one dimension of z at a time, in ", unit);
  options.columns = static_cast<int>(walks.positions.size());
  for (const double position : walks.positions)
    options.column_labels.push_back(base::digits(position, 3));
  for (std::size_t i = 0; i < walks.dimensions.size(); ++i)
    options.row_labels.push_back(
        base::text("z", walks.dimensions[i], walks.in_nats ? "  KL " : "  variance ", std::fixed,
                   std::setprecision(2), walks.weights[i], walks.in_nats ? " nats" : ""));
  plot::write_image_grid(path, pictures_of(walks.images.flatten(0, 1), shades), options);
}

void write_comparison_grid(const std::filesystem::path& path, const at::Tensor& inputs,
                           const std::vector<ComparedImages>& models, const std::string& title) {
  plot::GridOptions options;
  options.title = title;
  options.columns = static_cast<int>(models.at(0).samples.size(0));
  std::vector<at::Tensor> rows;
  if (inputs.defined()) {
    rows.push_back(inputs);
    options.row_labels.emplace_back("input");
  }
  for (const ComparedImages& model : models)
    if (model.reconstructions.defined()) {
      rows.push_back(model.reconstructions);
      options.row_labels.push_back(model.name);
    }
  for (const ComparedImages& model : models) {
    rows.push_back(model.samples);
    options.row_labels.push_back(model.name + ", samples");
  }
  plot::write_image_grid(path, pictures_of(at::cat(rows), {0, 1}), options);
}

}  // namespace vae_dist::report
