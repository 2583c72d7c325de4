#include "arrays/fuel_split.hpp"

#include <algorithm>
#include <set>

#include "base/error.hpp"

namespace vae_dist::arrays {
namespace {

// Merges consecutive rows into ranges.
std::vector<RowRange> as_ranges(const std::vector<std::int64_t>& rows) {
  std::vector<RowRange> out;
  for (const std::int64_t row : rows) {
    if (!out.empty() && out.back().last == row) {
      ++out.back().last;
    } else {
      out.push_back({row, row + 1});
    }
  }
  return out;
}

}  // namespace

std::vector<RowRange> fuel_split(const DecodedRows& rows, const std::string& split) {
  std::vector<RowRange> out;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < rows.opened_files(); ++i) {
    const hdf5::Hdf5Dataset& images = rows.stored(i).dataset();
    const std::int64_t count = images.shape()[0];
    std::set<std::string> names;
    bool found = false;
    for (const hdf5::FuelSplit& entry : rows.file(i).fuel_splits()) {
      if (entry.source != images.path()) continue;
      names.insert(entry.split);
      if (entry.split != split) continue;
      found = true;
      for (const RowRange& range : entry.indices.empty()
                                       ? std::vector<RowRange>{{entry.start, entry.stop}}
                                       : as_ranges(entry.indices)) {
        if (range.first < 0 || range.last > count || range.first > range.last)
          throw base::BadInput(base::text(images.where(), ": its split '", split, "' has rows ",
                                          range.first, " to ", range.last,
                                          ", but the number of rows is ", count));
        if (range.size() > 0) out.push_back({first + range.first, first + range.last});
      }
    }
    if (!found) {
      std::string list;
      for (const std::string& name : names)
        list += base::text(list.empty() ? "'" : ", '", name, "'");
      throw base::BadInput(base::text(images.where(),
                                      ": the file's attribute `split` has no split '", split,
                                      "' for these images; it has ", list.empty() ? "none" : list));
    }
    first += count;
  }
  return out;
}

}  // namespace vae_dist::arrays
