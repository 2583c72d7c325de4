#include "synthetic/showers.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>

#include "base/error.hpp"
#include "base/keyed_random.hpp"
#include "base/ordered_tasks.hpp"
#include "base/progress_bar.hpp"
#include "hdf5/file.hpp"
#include "hdf5/partial_file.hpp"

namespace vae_dist::synthetic {
namespace {

constexpr double kDepth = 25.0;  // radiation lengths
constexpr double kMostParticles = 1e8;
constexpr std::int64_t kMostVoxels = std::int64_t{1} << 24;

std::int64_t voxels_of(const ShowersOptions& options) {
  return options.layers * options.rings * options.sectors;
}

void check_showers_options(const ShowersOptions& options) {
  const auto refuse = [](const auto&... parts) {
    throw base::BadInput(base::text("make-showers: ", parts...));
  };
  if (options.count < 1) refuse("count is ", options.count, ": at least one shower is needed");
  if (!(options.particle_energy > 0) || !std::isfinite(options.particle_energy))
    refuse("particle-energy is ", options.particle_energy, ": give a number above 0");
  if (!(options.least_energy >= options.particle_energy) ||
      !(options.largest_energy >= options.least_energy))
    refuse("energies are ", options.least_energy, " and ", options.largest_energy,
           ": give the least and the largest, at least particle-energy (", options.particle_energy,
           ")");
  if (!(options.largest_energy <= kMostParticles * options.particle_energy))
    refuse("the largest energy is ", options.largest_energy, ": give at most ", kMostParticles,
           " times particle-energy (", options.particle_energy, ")");
  if (!(options.share > 0 && options.share < 1))
    refuse("share is ", options.share, ": give a number above 0 and below 1");
  std::int64_t voxels = 1;
  for (const auto& [number, name] :
       {std::pair(options.layers, "layers"), std::pair(options.rings, "rings"),
        std::pair(options.sectors, "sectors")}) {
    if (number < 1 || number > kMostVoxels || number * voxels > kMostVoxels)
      refuse(name, " is ", number, ": give 1 or more, and ", kMostVoxels, " voxels at most");
    voxels *= number;
  }
  if (options.threads < 0)
    refuse("threads is ", options.threads, ": give 0 for one per core, or a number");
}

struct Showers {
  std::int64_t first = 0, rows = 0;
  std::vector<float> incident, lost, voxels;
  std::vector<std::uint8_t> chunk;  // the voxels as stored, if they are compressed
};

// In the interval (0, 1).
double uniform_of(std::uint32_t word) { return (word + 0.5) * 0x1p-32; }

// Makes one shower. Draw 0 of a shower is its incident energy, draw 1 its particles: two words each
// for a piece of the stick and for a voxel. Exponential numbers divided by their sum are the pieces
// of a stick broken at uniform places.
void make_shower(const ShowersOptions& options, base::PhiloxKey key, std::int64_t number,
                 float& incident, float& lost, std::span<float> voxels) {
  const auto sample = static_cast<std::uint64_t>(number);
  const double place = uniform_of(base::random_block(key, sample, 0, 0)[0]);
  incident = static_cast<float>(options.least_energy *
                                std::pow(options.largest_energy / options.least_energy, place));
  const auto particles =
      std::max<std::int64_t>(1, static_cast<std::int64_t>(std::floor(static_cast<double>(incident) /
                                                                     options.particle_energy)));
  std::vector<double> up_to = voxel_shares(options, particles);
  for (std::size_t v = 1; v < up_to.size(); ++v) up_to[v] += up_to[v - 1];
  std::vector<double> energies(up_to.size() + 1, 0.0);  // the last is what is lost
  double sum = 0.0;
  base::PhiloxCounter words{};
  for (std::int64_t particle = 0; particle < particles; ++particle) {
    const auto half = static_cast<std::size_t>(particle % 2 * 2);
    if (half == 0)
      words = base::random_block(key, sample, 1, static_cast<std::uint32_t>(particle / 2));
    const double piece = -std::log(uniform_of(words[half]));
    const auto voxel = std::upper_bound(up_to.begin(), up_to.end(), uniform_of(words[half + 1]));
    energies[static_cast<std::size_t>(voxel - up_to.begin())] += piece;
    sum += piece;
  }
  const double unit = static_cast<double>(incident) / sum;
  for (std::size_t v = 0; v < voxels.size(); ++v)
    voxels[v] = static_cast<float>(energies[v] * unit);
  lost = static_cast<float>(energies.back() * unit);
}

Showers make_chunk_of_showers(const ShowersOptions& options, std::int64_t first,
                              std::int64_t chunk_rows) {
  static_assert(std::endian::native == std::endian::little, "chunks are written as stored");
  const base::PhiloxKey key =
      base::random_key(static_cast<std::uint64_t>(options.seed), base::Purpose::prior, 0);
  const auto voxels = static_cast<std::size_t>(voxels_of(options));
  Showers out{.first = first,
              .rows = std::min(chunk_rows, options.count - first),
              .incident = {},
              .lost = {},
              .voxels = {},
              .chunk = {}};
  const auto rows = static_cast<std::size_t>(out.rows);
  out.incident.resize(rows);
  out.lost.resize(rows);
  // All chunks in the file have the same size.
  out.voxels.assign(static_cast<std::size_t>(chunk_rows) * voxels, 0.0f);
  for (std::size_t row = 0; row < rows; ++row)
    make_shower(options, key, first + static_cast<std::int64_t>(row), out.incident[row],
                out.lost[row], std::span(out.voxels).subspan(row * voxels, voxels));
  if (options.compression.deflate_level > 0)
    out.chunk =
        datasets::encode_chunk(std::span(reinterpret_cast<const std::uint8_t*>(out.voxels.data()),
                                         out.voxels.size() * sizeof(float)),
                               sizeof(float), options.compression);
  out.voxels.resize(rows * voxels);
  return out;
}

void write_statistics(hdf5::Hdf5File& file, const ShowersOptions& options) {
  const auto set = [&](const char* name, const hdf5::AttributeValue& value) {
    file.set_attribute("showers", name, value);
  };
  set("units", "MeV");
  set("DIMENSION_LABELS", std::vector<std::string>{"event", "voxel"});
  set("share", options.share);
  set("particle_energy", options.particle_energy);
  set("energies", std::vector<double>{options.least_energy, options.largest_energy});
  set("layers", options.layers);
  set("rings", options.rings);
  set("sectors", options.sectors);
  set("depth", kDepth);
  set("seed", options.seed);
  set("statistics",
      "n = floor(incident energy / particle_energy); for the energy x of voxels whose w sum to w: "
      "mean of x / E = w, variance of x / E = 2 w (1 - w) / (n + 1), P(x = 0) = (1 - w)^n; all "
      "voxels have w = share; w = share * longitudinal * radial / sectors, longitudinal ~ "
      "t^(ln(n) / 2) exp(-t / 2) with t = (layer + 1/2) depth / layers, radial ~ exp(-ring), each "
      "summing to 1; voxel = (layer * rings + ring) * sectors + sector");
}

}  // namespace

std::vector<double> voxel_shares(const ShowersOptions& options, std::int64_t particles) {
  const double maximum = std::log(static_cast<double>(particles));
  std::vector<double> layers, rings;
  double of_layers = 0.0, of_rings = 0.0;
  for (std::int64_t layer = 0; layer < options.layers; ++layer) {
    const double t =
        (static_cast<double>(layer) + 0.5) * kDepth / static_cast<double>(options.layers);
    layers.push_back(std::exp(0.5 * (maximum * std::log(t) - t)));
    of_layers += layers.back();
  }
  for (std::int64_t ring = 0; ring < options.rings; ++ring) {
    rings.push_back(std::exp(-static_cast<double>(ring)));
    of_rings += rings.back();
  }
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(voxels_of(options)));
  for (const double layer : layers)
    for (const double ring : rings)
      out.insert(out.end(), static_cast<std::size_t>(options.sectors),
                 options.share * layer / of_layers * ring / of_rings /
                     static_cast<double>(options.sectors));
  return out;
}

void make_showers(const std::string& path, const ShowersOptions& options) {
  check_showers_options(options);
  hdf5::PartialFile partial(path);
  hdf5::Hdf5File file = hdf5::Hdf5File::create(partial.path());

  const std::int64_t voxels = voxels_of(options),
                     chunk_rows = std::min(options.count, datasets::chunk_rows_for(4 * voxels));
  const bool compressed = options.compression.deflate_level > 0;
  hdf5::Hdf5Dataset showers =
      file.create_dataset("showers", {.shape = {options.count, voxels},
                                      .type = hdf5::ElementType::float32,
                                      .chunk_rows = compressed ? chunk_rows : 0,
                                      .deflate_level = options.compression.deflate_level,
                                      .shuffle = options.compression.shuffles(sizeof(float))});
  const hdf5::DatasetLayout one_a_shower{.shape = {options.count, 1},
                                         .type = hdf5::ElementType::float32};
  hdf5::Hdf5Dataset incident = file.create_dataset("incident_energies", one_a_shower),
                    lost = file.create_dataset("lost_energies", one_a_shower);
  write_statistics(file, options);
  for (const char* name : {"incident_energies", "lost_energies"})
    file.set_attribute(name, "units", "MeV");

  base::ProgressBar progress("showers", options.count);
  base::OrderedTasks<Showers> ahead(base::thread_count(options.threads));
  for (std::int64_t next = 0, written = 0; written < options.count;) {
    for (; next < options.count && !ahead.full(); next += chunk_rows)
      ahead.start([&options, next, chunk_rows] {
        return make_chunk_of_showers(options, next, chunk_rows);
      });
    const Showers made = ahead.next();
    if (compressed)
      showers.write_chunk(made.first, made.chunk);
    else
      showers.write_rows(made.first, made.rows, made.voxels);
    incident.write_rows(made.first, made.rows, made.incident);
    lost.write_rows(made.first, made.rows, made.lost);
    written += made.rows;
    progress.update(written);
  }
  file.close();
  partial.commit();
}

}  // namespace vae_dist::synthetic
