#include "arrays/names_fingerprint.hpp"

#include <algorithm>

#include "base/hash.hpp"
#include "base/text.hpp"

namespace vae_dist::arrays {
namespace {

constexpr std::size_t kFilesLookedAt = 64;

// The length of the folder, with its last slash, in which all files lie; of a single file, the
// length of its whole name.
std::size_t common_folder(const std::vector<std::string>& files) {
  if (files.size() == 1) return files.front().size();
  std::size_t common = files.front().size();
  for (const std::string& file : files) {
    common = std::min(common, file.size());
    common = static_cast<std::size_t>(
        std::mismatch(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(common),
                      files.front().begin())
            .first -
        file.begin());
  }
  return common == 0 ? 0 : files.front().find_last_of('/', common - 1) + 1;
}

std::uint64_t with_dataset(const hdf5::Hdf5Dataset& dataset, const std::string& axes,
                           std::uint64_t hash) {
  return base::hash_text(base::text(dataset.path(), " ", hdf5::shape_text(dataset.shape()), " ",
                                    axes, " ", dataset.type_name(), " ", dataset.attributes_hash()),
                         hash);
}

}  // namespace

std::uint64_t names_fingerprint(const DecodedRows& rows) {
  std::uint64_t hash = base::hash_text(base::text(rows.files().size(), " files, ", rows.rows()));
  const std::size_t folder = common_folder(rows.files());
  for (const std::string& file : rows.files())
    hash = base::hash_text(std::string_view(file).substr(folder), hash);
  const std::size_t looked_at = std::min(kFilesLookedAt, rows.opened_files());
  for (std::size_t i = 0; i < looked_at; ++i) {
    const ArrayFile& file = rows.opened(i * rows.opened_files() / looked_at);
    hash = base::hash_text(file.sparse_path(), hash);
    if (file.sparse())
      hash = with_dataset(file.first().dataset(), base::text("NV of ", file.shape().text()), hash);
    for (const ArrayFile::Part& part : file.parts())
      hash = with_dataset(part.stored->dataset(), part.axes.letters, hash);
  }
  return hash;
}

}  // namespace vae_dist::arrays
