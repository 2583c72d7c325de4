#include "datasets/npy_array.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/error.hpp"

namespace vae_dist::datasets {
namespace {

// In bytes. numpy itself warns above 10,000.
constexpr std::size_t kLongestHeader = 1 << 16;
constexpr std::size_t kPiece = 1 << 20;

ZipMember open_member(const ZipArchive& archive, const std::string& key) {
  if (NpyArray::is_in(archive, key)) return archive.open(key + ".npy");
  std::string list;
  for (const std::string& name : archive.names())
    if (name.ends_with(".npy"))
      list += base::text(list.empty() ? "'" : ", '", name.substr(0, name.size() - 4), "'");
  throw base::BadInput(base::text(archive.path(), " has no array '", key, "'; it has ",
                                  list.empty() ? "none" : list));
}

double half_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double size = exponent == 31  ? (fraction ? std::numeric_limits<double>::quiet_NaN()
                                                  : std::numeric_limits<double>::infinity())
                      : exponent == 0 ? std::ldexp(fraction, -24)
                                      : std::ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -size : size;
}

template <typename T>
T from_bytes(std::uint64_t bits) {
  T out;
  std::memcpy(&out, &bits, sizeof out);  // assumes little-endian, like the rest of vae_dist
  return out;
}

struct Element {
  bool is_float;
  std::int64_t integer;
  bool beyond_int64;
  double real;
};

Element element_at(const std::uint8_t* at, const NpyHeader& header) {
  std::uint64_t bits = 0;
  for (int i = 0; i < header.item_bytes; ++i)
    bits |= std::uint64_t{at[header.big_endian ? header.item_bytes - 1 - i : i]} << 8 * i;
  if (header.kind == 'f') {
    const double real = header.item_bytes == 2   ? half_value(static_cast<std::uint16_t>(bits))
                        : header.item_bytes == 4 ? from_bytes<float>(bits)
                                                 : from_bytes<double>(bits);
    return {true, 0, false, real};
  }
  if (header.kind == 'i') {
    const int unused = 64 - 8 * header.item_bytes;  // shifting by this extends the sign
    return {false, static_cast<std::int64_t>(bits << unused) >> unused, false, 0};
  }
  return {false, static_cast<std::int64_t>(bits),
          bits > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()), 0};
}

template <typename T>
void put(std::uint8_t*& to, T value) {
  std::memcpy(to, &value, sizeof value);
  to += sizeof value;
}

// Returns false if the integer does not fit.
bool put_element(std::uint8_t*& to, const Element& element, NpyTarget target) {
  switch (target) {
    case NpyTarget::uint8:
      if (element.is_float || element.beyond_int64 || element.integer < 0 || element.integer > 255)
        return false;
      *to++ = static_cast<std::uint8_t>(element.integer);
      return true;
    case NpyTarget::int64:
      if (element.is_float || element.beyond_int64) return false;
      put(to, element.integer);
      return true;
    case NpyTarget::float32:
      put(to, static_cast<float>(element.is_float ? element.real
                                                  : static_cast<double>(element.integer)));
      return true;
    case NpyTarget::float64:
      put(to, element.is_float ? element.real : static_cast<double>(element.integer));
      return true;
  }
  return false;
}

}  // namespace

static_assert(std::endian::native == std::endian::little);

int bytes_of(NpyTarget target) {
  return target == NpyTarget::uint8 ? 1 : target == NpyTarget::float32 ? 4 : 8;
}

NpyArray::NpyArray(const ZipArchive& archive, const std::string& key)
    : archive_(archive), key_(key), member_(open_member(archive, key)) {
  read_header();
}

void NpyArray::read_exactly(std::span<std::uint8_t> out) {
  if (member_.read(out) < out.size())
    throw base::BadInput(base::text(where(), " ends too early: its header promises ",
                                    header_.values(), " elements of ", header_.type_name(),
                                    "; get the file again"));
}

void NpyArray::read_header() {
  std::array<std::uint8_t, 8> start;  // magic, version
  constexpr std::string_view kMagic = "\x93NUMPY";
  if (member_.read(start) < start.size() ||
      std::memcmp(start.data(), kMagic.data(), kMagic.size()) != 0)
    throw base::BadInput(
        base::text(where(), " is not an array: it does not begin like an .npy file"));
  const int version = start[6];
  if (version < 1 || version > 3 || start[7] != 0)
    throw base::BadInput(base::text(where(), " has .npy version ", version, ".", int{start[7]},
                                    "; versions 1.0 to 3.0 are supported"));
  std::array<std::uint8_t, 4> length_bytes{};
  const std::size_t width = version == 1 ? 2 : 4;
  const bool there = member_.read(std::span(length_bytes).first(width)) == width;
  std::size_t length = 0;
  for (std::size_t i = width; i-- > 0;) length = length << 8 | length_bytes[i];
  if (length > kLongestHeader)
    throw base::BadInput(
        base::text(where(), " is damaged: its header promises to be ", length, " bytes long"));
  std::string dictionary(length, '\0');
  if (!there || member_.read({reinterpret_cast<std::uint8_t*>(dictionary.data()), length}) < length)
    throw base::BadInput(base::text(where(), " is damaged: it ends inside its header"));
  try {
    header_ = parse_npy_header(dictionary);
  } catch (const base::BadInput& error) {
    throw base::BadInput(base::text(where(), ": ", error.what()));
  }
  const auto before = static_cast<std::int64_t>(start.size() + width + length);
  if (header_.bytes() != member_.size() - before)
    throw base::BadInput(base::text(where(), " is damaged: its header promises ", header_.values(),
                                    " elements of ", header_.type_name(), ", ", header_.bytes(),
                                    " bytes, but ", member_.size() - before,
                                    " bytes follow; get the file again"));
}

std::vector<std::uint8_t> NpyArray::read_c_order(std::int64_t count) {
  std::vector<std::uint8_t> raw(
      static_cast<std::size_t>(count * row_values() * header_.item_bytes));
  read_exactly(raw);
  return raw;
}

// In the file, the values of all rows at one position within a row are adjacent.
std::vector<std::uint8_t> NpyArray::gather_fortran_order(std::int64_t count) {
  if (next_row_ > 0) {
    member_ = open_member(archive_, key_);
    read_header();
  }
  const auto item = static_cast<std::size_t>(header_.item_bytes);
  const std::int64_t all_rows = rows();
  // Maps each position within a row from file order (the second axis varies fastest) to C order.
  const std::vector<std::int64_t> row_shape(header_.shape.begin() + 1, header_.shape.end());
  std::vector<std::uint8_t> raw(static_cast<std::size_t>(count * row_values()) * item);
  std::vector<std::uint8_t> piece;
  for (std::int64_t place_in_file = 0; place_in_file < row_values(); ++place_in_file) {
    std::int64_t rest = place_in_file, place_in_row = 0, stride = row_values();
    for (const std::int64_t size : row_shape) {
      stride /= size;
      place_in_row += rest % size * stride;
      rest /= size;
    }
    for (std::int64_t row = 0; row < all_rows;) {
      const std::int64_t step = std::min(all_rows - row, static_cast<std::int64_t>(kPiece / item));
      piece.resize(static_cast<std::size_t>(step) * item);
      read_exactly(piece);
      const std::int64_t first = std::max(row, next_row_),
                         last = std::min(row + step, next_row_ + count);
      for (std::int64_t wanted = first; wanted < last; ++wanted)
        std::memcpy(
            &raw[static_cast<std::size_t>((wanted - next_row_) * row_values() + place_in_row) *
                 item],
            &piece[static_cast<std::size_t>(wanted - row) * item], item);
      row += step;
    }
  }
  return raw;
}

std::vector<std::uint8_t> NpyArray::read_rows(std::int64_t count, NpyTarget target) {
  if (count < 1 || count > rows() - next_row_)
    throw base::Failure(base::text(where(), " has ", rows(), " rows: cannot read ", count,
                                   " more after ", next_row_));
  std::vector<std::uint8_t> raw = header_.fortran_order && header_.shape.size() > 1
                                      ? gather_fortran_order(count)
                                      : read_c_order(count);
  const std::int64_t first = std::exchange(next_row_, next_row_ + count);
  const bool single_bytes = header_.kind == 'u' || header_.kind == 'b';
  if (target == NpyTarget::uint8 && header_.item_bytes == 1 && single_bytes) return raw;
  const auto values = static_cast<std::size_t>(count * row_values()),
             item = static_cast<std::size_t>(header_.item_bytes);
  std::vector<std::uint8_t> out(values * static_cast<std::size_t>(bytes_of(target)));
  std::uint8_t* to = out.data();
  for (std::size_t i = 0; i < values; ++i) {
    const Element element = element_at(&raw[i * item], header_);
    if (!put_element(to, element, target))
      throw base::BadInput(base::text(
          where(), ", row ", first + static_cast<std::int64_t>(i) / row_values(), ": the value ",
          element.beyond_int64 ? base::text(static_cast<std::uint64_t>(element.integer))
                               : base::text(element.integer),
          " does not fit in ",
          target == NpyTarget::uint8 ? "uint8 (0 to 255), the type of integer pictures: "
                                       "rescale the array, or save it as floats"
                                     : "int64"));
  }
  return out;
}

void NpyArray::expect_end() {
  std::array<std::uint8_t, 1> byte;
  if (member_.read(byte) > 0)
    throw base::BadInput(base::text(where(), " is damaged: data follows the ", header_.values(),
                                    " elements that its header promises"));
}

}  // namespace vae_dist::datasets
