#include "checkpoint/safetensors.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <tuple>
#include <vector>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "checkpoint/strict_json.hpp"

namespace vae_dist::checkpoint {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little,
              "tensors are copied as they are in memory; the format is little-endian");

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kMostHeaderBytes = 100'000'000;  // the reference's limit
constexpr std::size_t kMostDimensions = 64;            // LibTorch's limit
constexpr std::uint64_t kLargestSize = std::numeric_limits<std::int64_t>::max();
constexpr const char* kMetadata = "__metadata__";
constexpr const char* kTypeNames = "F64, F32, BF16, F16, I64, I32, I16, I8, U8 and BOOL";

struct TypeName {
  const char* name;
  at::ScalarType type;
};

// In the order of the reference implementation.
constexpr std::array kTypes = {TypeName{"I64", at::kLong},      TypeName{"F64", at::kDouble},
                               TypeName{"F32", at::kFloat},     TypeName{"I32", at::kInt},
                               TypeName{"BF16", at::kBFloat16}, TypeName{"F16", at::kHalf},
                               TypeName{"I16", at::kShort},     TypeName{"I8", at::kChar},
                               TypeName{"U8", at::kByte},       TypeName{"BOOL", at::kBool}};

struct StoredTensor {
  std::size_t type;  // index into kTypes
  std::string name;
  at::Tensor data;  // contiguous, on the CPU
};

std::vector<StoredTensor> in_file_order(const std::map<std::string, at::Tensor>& tensors) {
  std::vector<StoredTensor> stored;
  for (const auto& [name, tensor] : tensors) {
    if (name == kMetadata)
      throw base::BadInput(
          base::text("a tensor cannot have the name ", kMetadata, " in a safetensors file"));
    if (!tensor.defined())
      throw base::BadInput(base::text(
          "tensor '", name, "' is undefined: it cannot be written to a safetensors file"));
    const auto type = std::ranges::find(kTypes, tensor.scalar_type(), &TypeName::type);
    if (type == kTypes.end())
      throw base::BadInput(base::text("tensor '", name, "' has type ",
                                      c10::toString(tensor.scalar_type()), ": only ", kTypeNames,
                                      " can be written"));
    stored.push_back({static_cast<std::size_t>(type - kTypes.begin()), name,
                      tensor.detach().cpu().contiguous()});
  }
  std::ranges::stable_sort(stored, {}, &StoredTensor::type);  // the map is already sorted by name
  return stored;
}

struct Layout {
  std::string name;
  at::ScalarType type;
  std::vector<std::int64_t> shape;
  std::uint64_t begin, end;  // offsets in the data after the header
};

[[noreturn]] void refuse_tensor(const std::string& file, const std::string& tensor,
                                const std::string& why) {
  throw base::BadInput(base::text(file, ": tensor '", tensor, "' ", why,
                                  ": the file is damaged or is not a safetensors file"));
}

// Returns the bytes that a tensor of this shape needs. The overflow check counts zero dimensions as
// 1 because LibTorch multiplies strides that way.
std::uint64_t bytes_needed(const std::vector<std::int64_t>& shape, at::ScalarType type,
                           const std::string& file, const std::string& name) {
  std::uint64_t product = c10::elementSize(type);
  bool is_empty = false;
  for (const std::int64_t size : shape) {
    is_empty = is_empty || size == 0;
    const auto factor = static_cast<std::uint64_t>(std::max<std::int64_t>(size, 1));
    if (product > kLargestSize / factor) refuse_tensor(file, name, "has an impossible shape");
    product *= factor;
  }
  return is_empty ? 0 : product;
}

bool is_size(const json& value) {
  return value.is_number_unsigned() && value.get<std::uint64_t>() <= kLargestSize;
}

bool are_sizes(const json& entry, const char* key) {
  return entry.contains(key) && entry[key].is_array() && std::ranges::all_of(entry[key], is_size);
}

Layout read_layout(const json& entry, const std::string& file, const std::string& name) {
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
      !are_sizes(entry, "shape") || !are_sizes(entry, "data_offsets") ||
      entry["shape"].size() > kMostDimensions || entry["data_offsets"].size() != 2)
    refuse_tensor(file, name, "is not described by a dtype, a shape and two data_offsets");
  const auto type_name = entry["dtype"].get<std::string>();
  const auto type = std::ranges::find(kTypes, type_name, &TypeName::name);
  if (type == kTypes.end())
    throw base::BadInput(base::text(file, ": tensor '", name, "' has type ", type_name, ": only ",
                                    kTypeNames, " can be read; convert it first"));

  Layout layout{name, type->type, entry["shape"].get<std::vector<std::int64_t>>(),
                entry["data_offsets"][0].get<std::uint64_t>(),
                entry["data_offsets"][1].get<std::uint64_t>()};
  if (layout.end < layout.begin ||
      layout.end - layout.begin != bytes_needed(layout.shape, layout.type, file, name))
    refuse_tensor(
        file, name,
        base::text("has a shape that does not fit its bytes ", layout.begin, " to ", layout.end));
  return layout;
}

// Checks that the tensors cover the data exactly: no overlap, no hole, nothing after the last one.
void check_coverage(std::vector<Layout>& layouts, std::size_t data_bytes, const std::string& file) {
  std::ranges::sort(layouts, {},
                    [](const Layout& layout) { return std::tie(layout.begin, layout.end); });
  std::uint64_t covered = 0;
  for (const auto& layout : layouts) {
    if (layout.begin != covered)
      refuse_tensor(
          file, layout.name,
          base::text("starts at byte ", layout.begin, " of the data instead of ", covered));
    covered = layout.end;
  }
  if (covered != data_bytes)
    throw base::BadInput(base::text(file, ": the file holds ", data_bytes,
                                    " bytes of data, but its header says ", covered,
                                    ": it is truncated or damaged"));
}

std::string_view header_of(std::string_view bytes, const std::string& file) {
  if (bytes.size() < kLengthBytes)
    throw base::BadInput(
        base::text(file, ": ", bytes.size(), " bytes are too few for a safetensors file"));
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > bytes.size() - kLengthBytes)
    throw base::BadInput(base::text(file, ": its header claims ", length, " bytes in a file of ",
                                    bytes.size(),
                                    " bytes: the file is truncated or is not a safetensors file"));
  if (length > kMostHeaderBytes)
    throw base::BadInput(base::text(file, ": its header of ", length,
                                    " bytes is over the limit of ", kMostHeaderBytes));
  const std::string_view header = bytes.substr(kLengthBytes, length);
  if (!header.starts_with('{'))
    throw base::BadInput(
        base::text(file, ": its header does not start with '{': it is not a safetensors file"));
  return header;
}

std::map<std::string, std::string> read_metadata(const json& entry, const std::string& file) {
  if (!entry.is_object() ||
      !std::ranges::all_of(entry, [](const json& value) { return value.is_string(); }))
    throw base::BadInput(
        base::text(file, ": its ", kMetadata,
                   " is not a map of strings: the file is damaged or is not a safetensors file"));
  return entry.get<std::map<std::string, std::string>>();
}

}  // namespace

std::string encode_safetensors(const TensorFile& file) {
  const auto stored = in_file_order(file.tensors);
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!file.metadata.empty()) header[kMetadata] = file.metadata;
  std::size_t data_bytes = 0;
  for (const auto& tensor : stored) {
    const std::size_t begin = data_bytes;
    data_bytes += tensor.data.nbytes();
    auto& entry = header[tensor.name];
    entry["dtype"] = kTypes[tensor.type].name;
    entry["shape"] = tensor.data.sizes().vec();
    entry["data_offsets"] = {begin, data_bytes};
  }
  std::string header_text;
  try {
    header_text = header.dump();
  } catch (const json::exception&) {
    throw base::BadInput(
        "a tensor name or a metadata text is not UTF-8, so it cannot be written to a "
        "safetensors file");
  }
  // The data start at a multiple of 8, so the tensors of a mapped file are aligned.
  header_text.append((kLengthBytes - header_text.size() % kLengthBytes) % kLengthBytes, ' ');

  const std::uint64_t length = header_text.size();
  std::string bytes;
  bytes.reserve(kLengthBytes + header_text.size() + data_bytes);
  bytes.append(reinterpret_cast<const char*>(&length), kLengthBytes);
  bytes.append(header_text);
  for (const auto& tensor : stored)
    if (tensor.data.nbytes() > 0)
      bytes.append(static_cast<const char*>(tensor.data.const_data_ptr()), tensor.data.nbytes());
  return bytes;
}

TensorFile decode_safetensors(std::string_view bytes, const std::string& name) {
  const std::string_view header = header_of(bytes, name);
  const std::string_view data = bytes.substr(kLengthBytes + header.size());
  const json entries = parse_strict_json(header, name);

  TensorFile file;
  std::vector<Layout> layouts;
  for (const auto& [key, entry] : entries.items()) {
    if (key == kMetadata)
      file.metadata = read_metadata(entry, name);
    else
      layouts.push_back(read_layout(entry, name, key));
  }
  check_coverage(layouts, data.size(), name);
  // Nothing has been allocated so far: the checks ensure that the tensors are not larger than the
  // file.
  for (const auto& layout : layouts) {
    auto tensor = at::empty(layout.shape, at::TensorOptions().dtype(layout.type));
    if (layout.end > layout.begin)
      std::memcpy(tensor.mutable_data_ptr(), data.data() + layout.begin, layout.end - layout.begin);
    file.tensors.emplace(layout.name, std::move(tensor));
  }
  return file;
}

TensorFile read_safetensors(const std::filesystem::path& path) {
  return decode_safetensors(base::read_file(path), path.string());
}

void write_safetensors(const std::filesystem::path& path, const TensorFile& file) {
  base::replace_file(path, encode_safetensors(file));
}

}  // namespace vae_dist::checkpoint
