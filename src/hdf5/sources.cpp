#include "hdf5/sources.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "base/descriptor_limit.hpp"
#include "base/error.hpp"
#include "hdf5/file_identity.hpp"

namespace vae_dist::hdf5 {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 8;                    // nesting of virtual datasets
constexpr std::size_t kOtherDescriptors = 64;   // descriptors of a process that are not for data
constexpr std::int64_t kMaxBlocks = 1'000'000;  // of one pattern

fs::path folder_of(const std::string& file) { return fs::absolute(file).parent_path(); }

std::string environment_value(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Expands HDF5's placeholder for the folder of the file that names another one.
std::string with_origin(std::string prefix, const std::string& data_file) {
  constexpr std::string_view kOrigin = "${ORIGIN}";
  if (prefix.starts_with(kOrigin)) prefix.replace(0, kOrigin.size(), folder_of(data_file).string());
  return prefix;
}

struct Source {
  std::string file, dataset;
  auto operator<=>(const Source&) const = default;
};

// One mapping of a virtual dataset: where it begins there, and which part of its source it uses.
struct Mapping {
  Source source;
  std::vector<std::int64_t>
      begin;  // in the virtual dataset; empty if it is unlimited (it grows with its source)
  std::vector<hsize_t>
      source_end;       // past the last value used along each axis; empty = the whole source
  hssize_t values = 0;  // number of values used; 0 = all values of the source
};

template <typename Get>
std::string text_of(Get get, const std::string& where) {
  const ssize_t length = get(nullptr, 0);
  if (length < 0) throw base::BadInput(base::text(where, ": ", reason()));
  std::string out(static_cast<std::size_t>(length), '\0');
  get(out.data(), out.size() + 1);
  return out;
}

// "%b" stands for the number of a block, "%%" for a percent sign.
bool is_pattern(const std::string& name) {
  for (std::size_t i = 0; i + 1 < name.size(); ++i) {
    if (name[i] != '%') continue;
    ++i;
    if (name[i] == 'b') return true;
  }
  return false;
}

std::string block_name(const std::string& pattern, std::int64_t block) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%' || i + 1 == pattern.size()) {
      out += pattern[i];
    } else if (pattern[++i] == 'b') {
      out += std::to_string(block);
    } else {
      out += pattern[i];
    }
  }
  return out;
}

// Returns the highest block number for which a file exists in the folders where HDF5 looks; -1 if
// there is none.
std::int64_t last_block_file(const std::string& pattern, const std::string& data_file) {
  std::int64_t last = -1;
  const std::string name = fs::path(pattern).filename().string();
  const std::size_t at = name.find("%b");
  if (at == std::string::npos) return -1;
  const std::string before = block_name(name.substr(0, at), 0);
  for (const std::string& candidate : candidate_paths(pattern, data_file, "HDF5_VDS_PREFIX")) {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(fs::absolute(candidate).parent_path(), none)) {
      const std::string found = entry.path().filename().string();
      if (!found.starts_with(before)) continue;
      const std::int64_t block = std::strtoll(found.c_str() + before.size(), nullptr, 10);
      if (block >= 0 && block < kMaxBlocks && block_name(name, block) == found)
        last = std::max(last, block);
    }
  }
  return last;
}

class Sources {
 public:
  void open(hid_t dataset, hid_t creation, const std::string& data_file, const std::string& where,
            int depth) {
    if (depth > kMaxDepth)
      throw base::BadInput(
          base::text(where, " is a virtual dataset of virtual datasets, nested more than ",
                     kMaxDepth, " levels deep"));
    const Hdf5Handle space = checked(H5Dget_space(dataset), H5Sclose, where);
    const int rank = H5Sget_simple_extent_ndims(space.id());
    std::vector<hsize_t> extent(static_cast<std::size_t>(std::max(rank, 0)));
    H5Sget_simple_extent_dims(space.id(), extent.data(), nullptr);
    std::map<Source, std::vector<std::int64_t>> first_use;
    for (const Mapping& mapping : mappings(creation, extent, data_file, where)) {
      if (!first_use.contains(mapping.source)) first_use[mapping.source] = mapping.begin;
      open_source(mapping, data_file, where, depth);
    }
    if (std::find(extent.begin(), extent.end(), 0) == extent.end())
      make_library_open(dataset, extent, first_use, where);
  }

  VirtualSources result(const std::string& where) {
    check_open(where);
    VirtualSources out;
    out.files.assign(files_.begin(), files_.end());
    out.files.insert(out.files.end(), raw_files_.begin(), raw_files_.end());
    out.open = std::move(open_);
    return out;
  }

 private:
  std::vector<Mapping> mappings(hid_t creation, const std::vector<hsize_t>& extent,
                                const std::string& data_file, const std::string& where) const {
    std::size_t count = 0;
    check(H5Pget_virtual_count(creation, &count), where);
    std::vector<Mapping> out;
    for (std::size_t i = 0; i < count; ++i) {
      const std::string file =
          text_of([&](char* to,
                      std::size_t size) { return H5Pget_virtual_filename(creation, i, to, size); },
                  where);
      const std::string dataset =
          text_of([&](char* to,
                      std::size_t size) { return H5Pget_virtual_dsetname(creation, i, to, size); },
                  where);
      const Hdf5Handle to = checked(H5Pget_virtual_vspace(creation, i), H5Sclose, where),
                       from = checked(H5Pget_virtual_srcspace(creation, i), H5Sclose, where);
      if (is_pattern(file) || is_pattern(dataset)) {
        add_blocks({file, dataset}, to.id(), extent, data_file, where, out);
      } else {
        out.push_back({{block_name(file, 0), block_name(dataset, 0)},
                       begin_of(to.id(), extent.size()),
                       end_of(from.id()),
                       values_of(to.id(), from.id())});
      }
    }
    return out;
  }

  // All blocks of a pattern that the extent has room for must exist, and none beyond a gap: HDF5
  // ends the dataset at the first missing block.
  static void add_blocks(const Source& pattern, hid_t to, const std::vector<hsize_t>& extent,
                         const std::string& data_file, const std::string& where,
                         std::vector<Mapping>& out) {
    const std::int64_t last_file = last_block_file(pattern.file, data_file);
    std::vector<hsize_t> start(extent.size()), stride(extent.size()), count(extent.size()),
        block(extent.size());
    std::int64_t blocks = 0;
    std::size_t growing = 0;
    if (H5Sis_regular_hyperslab(to) > 0 &&
        H5Sget_regular_hyperslab(to, start.data(), stride.data(), count.data(), block.data()) >= 0)
      for (std::size_t axis = 0; axis < extent.size(); ++axis)
        if (count[axis] == H5S_UNLIMITED && extent[axis] > start[axis]) {
          blocks = static_cast<std::int64_t>((extent[axis] - start[axis] + stride[axis] - 1) /
                                             stride[axis]);
          growing = axis;
        }
    if (last_file >= blocks)
      throw base::BadInput(base::text(
          where, " takes its values from the files ", pattern.file, ", but number ", blocks,
          " is missing while number ", last_file,
          " exists: HDF5 would end the dataset before the gap. Restore the missing file"));
    if (blocks == 0)
      throw base::BadInput(base::text(where, " takes its values from the files ", pattern.file,
                                      ", dataset '", pattern.dataset,
                                      "', but no such file exists"));
    std::vector<std::int64_t> begin(start.begin(), start.end());
    for (std::int64_t i = 0; i < std::min(blocks, kMaxBlocks);
         ++i, begin[growing] += static_cast<std::int64_t>(stride[growing]))
      out.push_back({{block_name(pattern.file, i), block_name(pattern.dataset, i)}, begin, {}, 0});
  }

  static std::vector<std::int64_t> begin_of(hid_t space, std::size_t rank) {
    std::vector<hsize_t> first(std::max<std::size_t>(1, 2 * rank));
    if (H5Sget_select_type(space) == H5S_SEL_ALL) return std::vector<std::int64_t>(rank, 0);
    if (H5Sget_select_type(space) == H5S_SEL_HYPERSLABS &&
        H5Sget_select_hyper_blocklist(space, 0, 1, first.data()) >= 0)
      return {first.begin(), first.begin() + static_cast<std::ptrdiff_t>(rank)};
    return {};
  }

  static std::vector<hsize_t> end_of(hid_t space) {
    const int rank = H5Sget_simple_extent_ndims(space);
    if (rank <= 0 || H5Sget_select_type(space) == H5S_SEL_ALL) return {};
    std::vector<hsize_t> first(static_cast<std::size_t>(rank)),
        last(static_cast<std::size_t>(rank));
    if (H5Sget_select_bounds(space, first.data(), last.data()) < 0) return {};  // unlimited
    for (hsize_t& each : last) ++each;
    return last;
  }

  // For a whole source HDF5 reports no shape, only how many values it has in the virtual dataset.
  static hssize_t values_of(hid_t to, hid_t from) {
    std::vector<hsize_t> first(32), last(32);
    if (H5Sget_select_type(from) != H5S_SEL_ALL ||
        H5Sget_select_bounds(to, first.data(), last.data()) < 0)
      return 0;
    return std::max<hssize_t>(0, H5Sget_select_npoints(to));
  }

  void open_source(const Mapping& mapping, const std::string& data_file, const std::string& where,
                   int depth) {
    const Source& source = mapping.source;
    if (!seen_.insert(base::text(data_file, '\n', source.file, '\n', source.dataset)).second &&
        mapping.source_end.empty())
      return;
    const OpenFile opened = open_file(source, data_file, where);
    const std::string& file = opened.path;
    files_.insert(file);
    const std::string context =
        base::text(where, ", whose values come from ", file, ", dataset '", source.dataset, "'");
    Hdf5Handle dataset(H5Dopen2(opened.handle.id(), source.dataset.c_str(), H5P_DEFAULT), H5Dclose);
    if (dataset.id() < 0)
      throw base::BadInput(base::text(context, ": that dataset cannot be opened: ", reason()));
    check_size(dataset.id(), mapping, context);

    const Hdf5Handle creation = checked(H5Dget_create_plist(dataset.id()), H5Pclose, context);
    const H5D_layout_t layout = H5Pget_layout(creation.id());
    if (layout == H5D_VIRTUAL) {
      open(dataset.id(), creation.id(), file, context, depth + 1);
      open_.push_back(std::move(dataset));  // while it is open, HDF5 keeps its sources open too
    } else if (layout == H5D_CONTIGUOUS && H5Pget_external_count(creation.id()) > 0) {
      const Hdf5Handle type = checked(H5Dget_type(dataset.id()), H5Tclose, context),
                       space = checked(H5Dget_space(dataset.id()), H5Sclose, context);
      const auto values = static_cast<std::uint64_t>(
          std::max<hssize_t>(0, H5Sget_simple_extent_npoints(space.id())));
      for (const StoredSegment& segment :
           external_segments(creation.id(), file, values * H5Tget_size(type.id()), context))
        raw_files_.insert(segment.file);
    }
  }

  struct OpenFile {
    std::string path;
    Hdf5Handle handle;
  };

  static OpenFile open_file(const Source& source, const std::string& data_file,
                            const std::string& where) {
    const std::vector<std::string> candidates =
        source.file == "." ? std::vector{data_file}
                           : candidate_paths(source.file, data_file, "HDF5_VDS_PREFIX");
    std::string why = "no such file";
    for (const std::string& candidate : candidates) {
      const Hdf5Handle access = file_access(candidate, FileUse::read);
      Hdf5Handle opened(H5Fopen(candidate.c_str(), H5F_ACC_RDONLY, access.id()), H5Fclose);
      if (opened.is_open()) return {candidate, std::move(opened)};
      if (::access(candidate.c_str(), F_OK) == 0) why = base::text(candidate, ": ", reason());
    }
    throw base::BadInput(base::text(
        where, " takes values from ", source.file, ", dataset '", source.dataset,
        "', but that file is missing or cannot be opened (looked for beside ", data_file, "; ", why,
        "). Restore it, or set the environment variable HDF5_VDS_PREFIX to its folder"));
  }

  static void check_size(hid_t dataset, const Mapping& mapping, const std::string& context) {
    const std::vector<hsize_t>& end = mapping.source_end;
    const Hdf5Handle space = checked(H5Dget_space(dataset), H5Sclose, context);
    const int rank = H5Sget_simple_extent_ndims(space.id());
    std::vector<hsize_t> extent(static_cast<std::size_t>(std::max(rank, 0)));
    H5Sget_simple_extent_dims(space.id(), extent.data(), nullptr);
    const std::vector<std::int64_t> has(extent.begin(), extent.end()),
        wanted(end.begin(), end.end());
    if (end.empty()) {
      if (mapping.values != 0 && H5Sget_simple_extent_npoints(space.id()) != mapping.values)
        throw base::BadInput(base::text(context, ": ", mapping.values,
                                        " values are taken from it, but its shape is ",
                                        shape_text(has)));
      return;
    }
    bool fits = extent.size() == end.size();
    for (std::size_t axis = 0; fits && axis < end.size(); ++axis) fits = end[axis] <= extent[axis];
    if (!fits)
      throw base::BadInput(base::text(context, ": values up to ", shape_text(wanted),
                                      " are taken from it, but its shape is ", shape_text(has)));
  }

  // HDF5 opens a source when one of its values is first read, and uses the fill value if that
  // fails. One value of each source is therefore read now.
  static void make_library_open(hid_t dataset, const std::vector<hsize_t>& extent,
                                const std::map<Source, std::vector<std::int64_t>>& first_use,
                                const std::string& where) {
    const Hdf5Handle type = checked(H5Dget_type(dataset), H5Tclose, where);
    std::vector<std::vector<std::int64_t>> corners;
    for (const auto& [source, begin] : first_use)
      if (begin.size() == extent.size() && !extent.empty()) corners.push_back(begin);
    std::sort(corners.begin(), corners.end());
    // Reads parts of equal height that follow each other, as most files have them, in one call:
    // HDF5 looks at all mappings in each call.
    std::int64_t stride = corners.size() > 1 ? corners[1][0] - corners[0][0] : 1;
    for (std::size_t i = 1; i < corners.size() && stride > 0; ++i)
      if (corners[i][0] - corners[i - 1][0] != stride ||
          !std::equal(corners[i].begin() + 1, corners[i].end(), corners[0].begin() + 1))
        stride = 0;
    if (corners.empty())
      return;  // all sources grow: HDF5 has already opened them to find their size
    if (stride > 0) {
      read_values(dataset, type.id(), corners[0], static_cast<hsize_t>(stride), corners.size(),
                  where);
    } else {
      for (const auto& corner : corners) read_values(dataset, type.id(), corner, 1, 1, where);
    }
  }

  static void read_values(hid_t dataset, hid_t type, const std::vector<std::int64_t>& first,
                          hsize_t stride, std::size_t count, const std::string& where) {
    const Hdf5Handle space = checked(H5Dget_space(dataset), H5Sclose, where);
    std::vector<hsize_t> start(first.begin(), first.end()), strides(first.size(), 1),
        counts(first.size(), 1);
    strides[0] = stride;
    counts[0] = count;
    check(H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), strides.data(),
                              counts.data(), nullptr),
          where);
    const hsize_t values = count;
    const Hdf5Handle memory = checked(H5Screate_simple(1, &values, nullptr), H5Sclose, where);
    std::vector<char> bytes(count * H5Tget_size(type));
    if (H5Dread(dataset, type, memory.id(), space.id(), H5P_DEFAULT, bytes.data()) < 0)
      throw base::BadInput(base::text(where, ": cannot be read: ", reason()));
    if (H5Tdetect_class(type, H5T_VLEN) > 0 || H5Tis_variable_str(type) > 0)
      H5Dvlen_reclaim(type, memory.id(), H5P_DEFAULT, bytes.data());
  }

  // Checks in the list of this process's open files that HDF5 has really opened the sources.
  void check_open(const std::string& where) const {
    std::set<std::pair<std::uint64_t, std::uint64_t>> open;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator("/proc/self/fd", failed)) {
      try {
        const FileIdentity file = FileIdentity::of(std::atoi(entry.path().filename().c_str()), "");
        open.insert({file.device, file.inode});
      } catch (const base::BadInput&) {
        continue;  // the descriptor of the directory that is being listed
      }
    }
    if (failed == std::errc::no_such_file_or_directory) return;  // a system without /proc
    for (const std::string& file : files_) {
      const FileIdentity identity = FileIdentity::of(file);
      if (open.contains({identity.device, identity.inode})) continue;
      if (files_.size() + kOtherDescriptors > base::descriptor_limit())
        throw base::BadInput(base::text(where, " takes its values from ", files_.size(),
                                        " files, which must all stay open, but at most ",
                                        base::descriptor_limit(),
                                        " files may be open (ulimit -n): raise that limit"));
      throw base::BadInput(base::text(where, ": HDF5 did not open ", file,
                                      ", which provides values",
                                      failed ? base::text(" (", failed.message(), ")") : "",
                                      ", and would silently read the fill value instead"));
    }
  }

  std::set<std::string> files_, seen_;
  std::set<std::string> raw_files_;  // opened by HDF5 for each read
  std::vector<Hdf5Handle> open_;
};

}  // namespace

std::vector<std::string> candidate_paths(const std::string& name, const std::string& data_file,
                                         const char* environment) {
  std::vector<std::string> out;
  std::string rest = name;
  if (fs::path(name).is_absolute()) {
    out.push_back(name);
    rest = fs::path(name).filename().string();
  }
  const std::string prefixes = environment_value(environment);
  for (std::size_t first = 0; first < prefixes.size();) {
    const std::size_t last = std::min(prefixes.find(':', first), prefixes.size());
    if (last > first)
      out.push_back(
          (fs::path(with_origin(prefixes.substr(first, last - first), data_file)) / rest).string());
    first = last + 1;
  }
  out.push_back((folder_of(data_file) / rest).string());
  out.push_back(rest);
  std::error_code none;
  const fs::path real = fs::canonical(data_file, none);
  if (!none) out.push_back((real.parent_path() / rest).string());
  return out;
}

std::vector<StoredSegment> external_segments(hid_t creation, const std::string& data_file,
                                             std::uint64_t bytes, const std::string& where) {
  const int count = H5Pget_external_count(creation);
  const std::string prefix = with_origin(environment_value("HDF5_EXTFILE_PREFIX"), data_file);
  std::vector<StoredSegment> out;
  for (int i = 0; i < count && bytes > 0; ++i) {
    std::string name(4096, '\0');
    off_t offset = 0;
    hsize_t size = 0;
    check(H5Pget_external(creation, static_cast<unsigned>(i), name.size(), name.data(), &offset,
                          &size),
          where);
    name.resize(std::min(name.find('\0'), name.size()));
    const std::string file =
        prefix.empty() || fs::path(name).is_absolute() ? name : (fs::path(prefix) / name).string();
    const std::uint64_t part = size == H5F_UNLIMITED ? bytes : std::min<std::uint64_t>(size, bytes);
    std::error_code none;
    const std::uintmax_t there = fs::file_size(file, none);
    if (none)
      throw base::BadInput(
          base::text(where, " keeps its values in the external raw file ", file,
                     ", which cannot be read: ", none.message(),
                     fs::path(file).is_absolute()
                         ? ". Restore the file"
                         : ". HDF5 looks for it in the working directory: start the program in the "
                           "folder of that file, or set HDF5_EXTFILE_PREFIX to that folder"));
    if (there < static_cast<std::uint64_t>(offset) + part)
      throw base::BadInput(base::text(where, " keeps ", part, " bytes from byte ", offset,
                                      " on in the external raw file ", file, ", which has only ",
                                      there,
                                      " bytes: it was cut short. Download or create it again"));
    out.push_back({file, static_cast<std::uint64_t>(offset), part});
    bytes -= part;
  }
  if (bytes > 0)
    throw base::BadInput(
        base::text(where, ": its external raw files are too small by ", bytes, " bytes"));
  return out;
}

VirtualSources open_virtual_sources(hid_t dataset, hid_t creation, const std::string& data_file,
                                    const std::string& where) {
  Sources sources;
  sources.open(dataset, creation, data_file, where, 1);
  return sources.result(where);
}

}  // namespace vae_dist::hdf5
