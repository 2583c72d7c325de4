#include "synthetic/the_well_file.hpp"

#include <numeric>
#include <string>

#include "base/text.hpp"

namespace vae_dist::synthetic {
namespace {

void set_varying(hdf5::Hdf5File& file, const std::string& object, bool sample, bool time) {
  file.set_attribute(object, "sample_varying", sample);
  file.set_attribute(object, "time_varying", time);
}

void write_coordinates(hdf5::Hdf5File& file, const std::string& name,
                       const std::vector<float>& values) {
  const std::string path = "dimensions/" + name;
  const auto count = static_cast<std::int64_t>(values.size());
  file.create_dataset(path, {.shape = {count}, .type = hdf5::ElementType::float32})
      .write_rows(0, count, values);
  set_varying(file, path, false, false);
}

// All sides are periodic. A mask marks the points that lie on the two ends of its axis.
void write_periodic_sides(hdf5::Hdf5File& file, const std::string& axis, std::int64_t length) {
  const std::string group = "boundary_conditions/" + axis + "_periodic";
  std::vector<std::uint8_t> mask(static_cast<std::size_t>(length), 0);
  mask.front() = mask.back() = 1;
  file.create_dataset(group + "/mask", {.shape = {length}}).write_rows(0, length, mask);
  file.set_attribute(group, "bc_type", "PERIODIC");
  file.set_attribute(group, "associated_dims", std::vector<std::string>{axis});
  file.set_attribute(group, "associated_fields", std::vector<std::string>{});
  set_varying(file, group, false, false);
}

void write_parameters(hdf5::Hdf5File& file, const FieldsOptions& options) {
  file.set_attribute("/", "dataset_name", "gaussian_fields");
  file.set_attribute("/", "grid_type", "cartesian");
  file.set_attribute("/", "n_spatial_dims", static_cast<std::int64_t>(options.size.size()));
  file.set_attribute("/", "n_trajectories", options.trajectories);
  file.set_attribute("/", "seed", options.seed);
  const std::vector<std::pair<std::string, double>> parameters = {
      {"slope", options.slope},
      {"knee", options.knee},
      {"correlation", options.correlation},
      {"correlation_time", options.correlation_time}};
  std::vector<std::string> names;
  for (const auto& [name, value] : parameters) {
    names.push_back(name);
    file.set_attribute("/", name, value);
  }
  file.set_attribute("/", "simulation_parameters", names);
  file.set_attribute(
      "/", "statistics",
      "Gaussian; in units of each channel's deviation the covariance of channels c, d at distance "
      "r and t frames apart is R exp(-t / correlation_time) sum_k p(k) cos(2 pi k.r), R = 1 for "
      "c = d, else correlation; p(k) = A (1 + |k|^2 / knee^2)^(-slope / 2) for k != 0, p(0) = 0, "
      "sum_k p(k) = 1; k: whole waves in the box, r: in units of the box");
}

}  // namespace

std::vector<hdf5::Hdf5Dataset> create_the_well_file(hdf5::Hdf5File& file,
                                                    const FieldsOptions& options,
                                                    std::int64_t chunk_frames) {
  write_parameters(file, options);
  std::vector<std::string> axes = {"x", "y", "z"};
  axes.resize(options.size.size());
  std::vector<float> time(static_cast<std::size_t>(options.frames));
  std::iota(time.begin(), time.end(), 0.0f);
  write_coordinates(file, "time", time);
  for (std::size_t axis = 0; axis < axes.size(); ++axis) {
    std::vector<float> places(static_cast<std::size_t>(options.size[axis]));
    for (std::size_t i = 0; i < places.size(); ++i)
      places[i] = static_cast<float>(static_cast<double>(i) / static_cast<double>(places.size()));
    write_coordinates(file, axes[axis], places);
    write_periodic_sides(file, axes[axis], options.size[axis]);
  }
  file.set_attribute("dimensions", "spatial_dims", axes);

  hdf5::DatasetLayout layout{.shape = {options.trajectories, options.frames},
                             .type = hdf5::ElementType::float32};
  layout.shape.insert(layout.shape.end(), options.size.begin(), options.size.end());
  if (chunk_frames > 0) {
    layout.chunk = layout.shape;
    layout.chunk[0] = 1;
    layout.chunk[1] = chunk_frames;
    layout.deflate_level = options.compression.deflate_level;
    layout.shuffle = options.compression.shuffles(sizeof(float));
  }
  std::vector<hdf5::Hdf5Dataset> fields;
  for (std::size_t c = 0; c < options.channels.size(); ++c) {
    const std::string path = "t0_fields/" + options.channels[c];
    fields.push_back(file.create_dataset(path, layout));
    set_varying(file, path, true, true);
    file.set_attribute(path, "dim_varying", std::vector<bool>(options.size.size(), true));
    file.set_attribute(path, "mean", options.means[c % options.means.size()]);
    file.set_attribute(path, "deviation", options.deviations[c % options.deviations.size()]);
  }
  file.set_attribute("t0_fields", "field_names", options.channels);
  for (const char* none : {"t1_fields", "t2_fields", "scalars"})
    file.set_attribute(none, "field_names", std::vector<std::string>{});
  return fields;
}

}  // namespace vae_dist::synthetic
