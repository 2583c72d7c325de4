#include "arrays/file_twins.hpp"

#include <algorithm>
#include <cstring>

namespace vae_dist::arrays {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 10;
constexpr std::int64_t kTries = 8;

// The place of the values of each array; empty if one of them is not a whole part of the file.
std::vector<hdf5::StoredSegment> places_of(const ArrayFile& file) {
  std::vector<hdf5::StoredSegment> out;
  for (const ArrayFile::Part& part : file.parts()) {
    const hdf5::Hdf5Dataset& dataset = part.stored->dataset();
    if (!part.stored->reads_single_rows() || dataset.segments().size() != 1 ||
        dataset.source_files() != std::vector{dataset.file()} ||
        dataset.segments().front().file != dataset.file())
      return {};
    out.push_back(dataset.segments().front());
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return a.offset < b.offset; });
  return out;
}

}  // namespace

FileTwins::FileTwins(const ArrayFile& known) : known_(known) {
  const std::vector<hdf5::StoredSegment> places = places_of(known);
  if (places.empty()) return;
  const hdf5::OffsetFile file(places.front().file);
  size_ = file.size();
  std::uint64_t at = 0, bytes = 0;
  const auto add = [&](std::uint64_t end) {
    if (end <= at) return;
    pieces_.push_back({at, std::vector<std::byte>()});
    bytes += end - at;
    if (bytes <= kMostBytes) {
      pieces_.back().bytes.resize(end - at);
      file.read(at, pieces_.back().bytes);
    }
  };
  for (const hdf5::StoredSegment& place : places) {
    add(place.offset);
    at = std::max(at, place.offset + place.bytes);
  }
  add(static_cast<std::uint64_t>(size_));
  if (bytes > kMostBytes) pieces_.clear();
}

std::shared_ptr<const ArrayFile> FileTwins::open(const std::string& name) const {
  if (pieces_.empty() || (others_ >= kTries && twins_ == 0)) return nullptr;
  const auto file = std::make_shared<const hdf5::OffsetFile>(name);
  thread_local std::vector<std::byte> bytes;
  bool alike = file->size() == size_;
  for (auto piece = pieces_.begin(); alike && piece != pieces_.end(); ++piece) {
    bytes.resize(piece->bytes.size());
    file->read(piece->offset, bytes);
    alike = std::memcmp(bytes.data(), piece->bytes.data(), bytes.size()) == 0;
  }
  ++(alike ? twins_ : others_);
  return alike ? std::make_shared<const ArrayFile>(known_, file) : nullptr;
}

}  // namespace vae_dist::arrays
