#include "datasets/npy_header.hpp"

#include <charconv>
#include <limits>
#include <optional>

#include "base/error.hpp"

namespace vae_dist::datasets {
namespace {

// Parses the Python literal that numpy writes: a dictionary whose keys are strings and whose values
// are strings, True or False, and tuples of integers.
class Dictionary {
 public:
  explicit Dictionary(std::string_view rest) : rest_(rest) {}

  void expect(char c) {
    if (!accept(c)) fail(base::text("'", c, "' is missing"));
  }

  bool accept(char c) {
    skip_space();
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::string_view quoted() {
    skip_space();
    const char quote = rest_.empty() ? '\0' : rest_[0];
    const std::size_t end =
        quote == '\'' || quote == '"' ? rest_.find(quote, 1) : std::string_view::npos;
    if (end == std::string_view::npos) fail("a quoted word is missing");
    const std::string_view out = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return out;
  }

  bool boolean() {
    skip_space();
    for (const std::string_view word : {"True", "False"})
      if (rest_.starts_with(word)) {
        rest_.remove_prefix(word.size());
        return word == "True";
      }
    fail("True or False is missing");
  }

  std::int64_t number() {
    skip_space();
    std::int64_t out = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), out);
    if (error != std::errc{} || out < 0) fail("a size is missing");
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    if (!rest_.empty() && rest_[0] == 'L') rest_.remove_prefix(1);  // Python 2 wrote 64L
    return out;
  }

  bool at_end() {
    skip_space();
    return rest_.empty();
  }

  bool begins_with(char c) {
    skip_space();
    return !rest_.empty() && rest_[0] == c;
  }

  [[noreturn]] static void fail(const std::string& reason) {
    throw base::BadInput(base::text("its header is damaged: ", reason));
  }

 private:
  void skip_space() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n' || rest_[0] == '\t'))
      rest_.remove_prefix(1);
  }

  std::string_view rest_;
};

void read_type(Dictionary& from, NpyHeader& header) {
  if (from.begins_with('['))
    throw base::BadInput("it holds records of several fields, but plain numbers are needed");
  const std::string_view type = from.quoted();
  const bool plain = type.size() == 3 &&
                     std::string_view("<>|=").find(type[0]) != std::string_view::npos &&
                     type[2] >= '1' && type[2] <= '8';
  header.kind = plain ? type[1] : '?';
  header.item_bytes = plain ? type[2] - '0' : 0;
  header.big_endian = plain && type[0] == '>';
  const int bytes = header.item_bytes;
  const bool power_of_two = (bytes & (bytes - 1)) == 0;
  const bool number = header.kind == 'b' ? bytes == 1
                      : header.kind == 'f'
                          ? power_of_two && bytes >= 2
                          : (header.kind == 'u' || header.kind == 'i') && power_of_two;
  if (!plain || !number)
    throw base::BadInput(
        base::text("it holds elements of type '", type,
                   "'; only booleans, integers and floats of up to 64 bits are supported"));
}

void read_shape(Dictionary& from, NpyHeader& header) {
  from.expect('(');
  std::int64_t bytes = header.item_bytes > 0 ? header.item_bytes : 1;
  while (!from.accept(')')) {
    const std::int64_t size = from.number();
    header.shape.push_back(size);
    if (header.shape.size() > 32) Dictionary::fail("it has more than 32 axes");
    if (!from.accept(',')) {
      from.expect(')');
      break;
    }
  }
  bool empty = false;
  for (const std::int64_t size : header.shape) empty = empty || size == 0;
  for (const std::int64_t size : header.shape) {
    if (empty) break;
    if (size > std::numeric_limits<std::int64_t>::max() / 8 / bytes)
      Dictionary::fail("its shape has too many elements");
    bytes *= size;
  }
}

}  // namespace

std::string NpyHeader::type_name() const {
  if (kind == 'b') return "bool";
  return base::text(kind == 'u' ? "uint" : kind == 'i' ? "int" : "float", 8 * item_bytes);
}

std::int64_t NpyHeader::values() const {
  for (const std::int64_t size : shape)
    if (size == 0) return 0;
  std::int64_t out = 1;
  for (const std::int64_t size : shape) out *= size;
  return out;
}

NpyHeader parse_npy_header(std::string_view dictionary) {
  Dictionary from(dictionary);
  NpyHeader header;
  bool type = false, order = false, shape = false;
  from.expect('{');
  while (!from.accept('}')) {
    const std::string_view key = from.quoted();
    from.expect(':');
    bool* const seen = key == "descr"           ? &type
                       : key == "fortran_order" ? &order
                       : key == "shape"         ? &shape
                                                : nullptr;
    if (!seen || *seen)
      Dictionary::fail(base::text("the key '", key, "' is ", seen ? "duplicated" : "unknown"));
    *seen = true;
    if (seen == &type) read_type(from, header);
    if (seen == &order) header.fortran_order = from.boolean();
    if (seen == &shape) read_shape(from, header);
    if (!from.accept(',')) {
      from.expect('}');
      break;
    }
  }
  if (!from.at_end()) Dictionary::fail("text follows its dictionary");
  if (!type || !order || !shape)
    Dictionary::fail(base::text(!type    ? "descr"
                                : !order ? "fortran_order"
                                         : "shape",
                                " is missing"));
  return header;
}

}  // namespace vae_dist::datasets
