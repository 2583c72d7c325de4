#include "datasets/verify.hpp"

#include "base/error.hpp"
#include "data/hdf5_file.hpp"
#include "datasets/progress_bar.hpp"

namespace vae_dist {
namespace {

std::string box_name(const StoredDataset& dataset, const std::vector<std::int64_t>& first, const std::vector<std::int64_t>& count) {
  if (first.empty()) return "the value";
  if (dataset.chunk().empty()) return text("rows ", first[0], " to ", first[0] + count[0]);
  std::string out = "chunk at [";
  for (std::size_t i = 0; i < first.size(); ++i) out += text(i ? ", " : "", first[i]);
  return out + "]";
}

}  // namespace

std::vector<VerifiedDataset> verify(const std::string& path) {
  const Hdf5File names = Hdf5File::open(path);
  const StoredFile file = StoredFile::open(path);
  const std::vector<std::string> paths = names.dataset_paths();
  std::int64_t all = 0, done = 0;
  for (const std::string& each : paths) all += count_chunks(file.dataset(each));
  ProgressBar progress("chunks", all);
  std::vector<VerifiedDataset> out;
  for (const std::string& each : paths) {
    const StoredDataset dataset = file.dataset(each);
    VerifiedDataset& seen = out.emplace_back();
    seen = {.path = each, .type = names.dataset(each).type_name(), .checksum = dataset.checksum(), .shape = dataset.shape(),
            .image_shaped = dataset.shape().size() >= 3, .chunks = 0, .numbers = {}, .damage = {}, .first_not_finite = {}};
    for_each_chunk(dataset, [&](const std::vector<std::int64_t>& first, const std::vector<std::int64_t>& count) {
      ++seen.chunks;
      try {
        const StoredDataset::Numbers numbers = dataset.look_at(first, count);
        if (numbers.not_a_number + numbers.infinite > 0 && seen.first_not_finite.empty()) seen.first_not_finite = box_name(dataset, first, count);
        seen.numbers.add(numbers);
      } catch (const BadInput& error) {
        seen.damage.push_back(text(box_name(dataset, first, count), ": ", error.what()));
      }
      progress.update(++done);
    });
  }
  return out;
}

}  // namespace vae_dist
