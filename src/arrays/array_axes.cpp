#include "arrays/array_axes.hpp"

#include <algorithm>
#include <cctype>
#include <map>

#include "base/error.hpp"

namespace vae_dist::arrays {
namespace {

constexpr std::string_view kLetters = "NCDHWV";

bool is_channel_count(std::int64_t n) { return n == 1 || n == 3; }

// What the names of axes mean that files in use give them.
char letter_of(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  static const std::map<std::string, char, std::less<>> kMeanings = {
      {"n", 'N'},         {"sample", 'N'},    {"samples", 'N'},    {"batch", 'N'},
      {"index", 'N'},     {"time", 'N'},      {"t", 'N'},          {"step", 'N'},
      {"frame", 'N'},     {"event", 'N'},     {"trajectory", 'N'}, {"obs", 'N'},
      {"cell", 'N'},      {"c", 'C'},         {"channel", 'C'},    {"channels", 'C'},
      {"band", 'C'},      {"d", 'D'},         {"z", 'D'},          {"depth", 'D'},
      {"lev", 'D'},       {"level", 'D'},     {"plane", 'D'},      {"h", 'H'},
      {"y", 'H'},         {"height", 'H'},    {"lat", 'H'},        {"latitude", 'H'},
      {"row", 'H'},       {"w", 'W'},         {"x", 'W'},          {"width", 'W'},
      {"lon", 'W'},       {"longitude", 'W'}, {"column", 'W'},     {"wavelength", 'W'},
      {"frequency", 'W'}, {"v", 'V'},         {"value", 'V'},      {"values", 'V'},
      {"feature", 'V'},   {"features", 'V'},  {"var", 'V'},        {"gene", 'V'},
      {"genes", 'V'},     {"voxel", 'V'}};
  const auto found = kMeanings.find(name);
  return found == kMeanings.end() ? '?' : found->second;
}

std::string last_axes_of_space(std::size_t axes) {
  return axes > 3 ? std::string(axes, '?') : std::string("DHW").substr(3 - axes);
}

// The fields of The Well (Ohana et al. 2024): an axis of trajectories and one of time where the
// field varies with them, then space, then the axes of a tensor, as many as the group's name says.
std::string axes_of_the_well(const hdf5::Hdf5Dataset& dataset) {
  const auto sample = dataset.number_attribute("sample_varying"),
             time = dataset.number_attribute("time_varying");
  const std::vector<double> space = dataset.number_list_attribute("dim_varying");
  if (!sample || !time || space.empty()) return "";
  std::string out((*sample != 0) + (*time != 0), 'N');
  out += last_axes_of_space(static_cast<std::size_t>(
      std::count_if(space.begin(), space.end(), [](double varies) { return varies != 0; })));
  const std::size_t tensor = dataset.shape().size() - std::min(out.size(), dataset.shape().size());
  return tensor == 0 ? out : tensor == 1 ? out + "C" : "";
}

// Returns why the axes may mean something else than N images; empty if that is unlikely.
std::string other_reading(const std::vector<std::int64_t>& s, const AxesHints& hints) {
  const auto few = [](std::int64_t n) { return n == 3 || n == 4; };
  const auto is_picture = [](std::int64_t height, std::int64_t width) {
    return height > 4 && width > 4;
  };
  const std::int64_t last = s.back();
  if (hints.one_image) return "its attribute CLASS says IMAGE: the whole dataset is one picture";
  if (hints.matlab)
    return base::text("it was written by MATLAB, which stores the axes reversed: it may be ", last,
                      " samples in MATLAB's own order (layout ",
                      s.size() == 3 ? "WHN" : "CWHN or WHCN", ")");
  if (s.size() != 3) return "";
  if (few(s[0]) && is_picture(s[1], last))
    return base::text("it may be one picture of ", s[0], " channels, ", s[1], "x", s[2],
                      " (layout CHW)");
  if (few(last) && is_picture(s[0], s[1]))
    return base::text("it may be one picture ", s[0], "x", s[1], " of ", last,
                      " channels (layout HWC)");
  if (last > 4 * s[0] && last > 4 * s[1])
    return base::text("it may be ", last, " images ", s[0], "x", s[1],
                      " along the last axis (layout HWN)");
  return "";
}

[[noreturn]] void refuse_to_guess(const std::vector<std::int64_t>& s, const std::string& where,
                                  const std::string& meanings) {
  throw base::BadInput(base::text(where, " has shape ", hdf5::shape_text(s),
                                  ": the meaning of its axes is ambiguous. Set data.train.layout "
                                  "(--layout) to ",
                                  meanings));
}

// The axes by the shape alone.
std::string guessed_axes(const std::vector<std::int64_t>& s, const AxesHints& hints,
                         const std::string& where) {
  switch (s.size()) {
    case 1:
      refuse_to_guess(
          s, where,
          base::text("W (a file is one series of ", s[0], " values) or V (a file is one vector)"));
    case 2:
      refuse_to_guess(
          s, where,
          base::text("NV (", s[0], " vectors of ", s[1], " values), NW (", s[0], " series of ",
                     s[1], " values) or HW (a file is one image ", s[0], "x", s[1], ")"));
    case 3:
    case 4:
      if (const std::string other = other_reading(s, hints); !other.empty()) {
        const std::string first = s.size() == 3
                                      ? base::text("NHW: ", s[0], " images ", s[1], "x", s[2])
                                      : base::text("NHWC or NCHW: ", s[0], " images");
        throw base::BadInput(base::text(where, " has shape ", hdf5::shape_text(s),
                                        ": the meaning of its axes is ambiguous: ", other,
                                        ". Set data.train.layout (--layout) to read it as ", first,
                                        ", or give the letters of its axes in another order"));
      }
      if (s.size() == 3) return "NHW";
      if (is_channel_count(s[3]) != is_channel_count(s[1]))
        return is_channel_count(s[3]) ? "NHWC" : "NCHW";
      throw base::BadInput(base::text(
          where, " has shape ", hdf5::shape_text(s),
          ": it is ambiguous which axis holds the channels; set layout to NHWC or NCHW, or to NDHW "
          "for volumes, NNHW for images that two axes number"));
    case 5:
      if (is_channel_count(s[4]) != is_channel_count(s[1]))
        return is_channel_count(s[4]) ? "NDHWC" : "NCDHW";
      refuse_to_guess(s, where,
                      "NCDHW or NDHWC (volumes), NNDHW (volumes that two axes number), or NNHWC "
                      "(images that two axes number)");
    default:
      refuse_to_guess(s, where,
                      "a word with a letter for each axis: N samples, C channels, D H W space, V "
                      "the values of a vector");
  }
}

// The word without its axis in parentheses, or with it, as the number of axes wants.
std::string with_axes(std::string word, std::size_t axes) {
  const std::size_t open = word.find('(');
  if (open == std::string::npos) return word;
  const std::string all = word.substr(0, open) + word[open + 1] + word.substr(open + 3);
  return all.size() == axes ? all : word.erase(open, 3);
}

}  // namespace

std::vector<std::size_t> ArrayAxes::sample_axes() const {
  std::vector<std::size_t> out;
  for (std::size_t axis = 0; axis < letters.size(); ++axis)
    if (letters[axis] == 'N') out.push_back(axis);
  return out;
}

SampleLayout ArrayAxes::sample() const {
  std::string axes = letters;
  std::erase(axes, 'N');
  return SampleLayout(axes);
}

std::string why_not_a_layout(const std::string& word) {
  if (word == "auto") return "";
  std::string letters = word;
  if (const std::size_t open = word.find('('); open != std::string::npos) {
    if (open + 2 >= word.size() || word[open + 2] != ')')
      return "holds one letter in parentheses at most, such as (C)";
    letters = word.substr(0, open) + word[open + 1] + word.substr(open + 3);
  }
  for (const char letter : letters)
    if (kLetters.find(letter) == std::string_view::npos)
      return base::text("has the letter ", letter,
                        "; the letters are N (samples), C (channels), D H W (space), V (values of "
                        "a vector)");
  for (const char letter : {'C', 'D', 'H', 'W', 'V'})
    if (std::count(letters.begin(), letters.end(), letter) > 1)
      return base::text("has ", letter, " more than once");
  const auto has = [&](char letter) { return letters.find(letter) != std::string::npos; };
  if (has('V') && (has('C') || has('W')))
    return "has V, the values of a vector, beside channels or space";
  if (!has('V') && !has('W')) return "has neither W (space) nor V (values of a vector)";
  if ((has('H') && !has('W')) || (has('D') && !has('H')))
    return "must have W, or H and W, or D, H and W";
  return "";
}

AxesHints hints_of(const hdf5::Hdf5Dataset& dataset) {
  AxesHints hints{dataset.text_attribute("CLASS") == "IMAGE",
                  !dataset.text_attribute("MATLAB_class").empty(), axes_of_the_well(dataset)};
  if (hints.axes.empty())
    for (const std::string& name : dataset.axis_names()) hints.axes += letter_of(name);
  if (hints.axes.empty() && dataset.shape().size() == 2 &&
      dataset.text_attribute("encoding-type") == "array")
    hints.axes = "NV";
  return hints;
}

ArrayAxes find_axes(const std::vector<std::int64_t>& shape, const std::string& wanted,
                    const AxesHints& hints, const std::string& where) {
  if (wanted == "auto") {
    if (hints.axes.size() == shape.size() && why_not_a_layout(hints.axes).empty())
      return {hints.axes};
    return {guessed_axes(shape, hints, where)};
  }
  const std::string letters = with_axes(wanted, shape.size());
  if (letters.size() != shape.size())
    throw base::BadInput(base::text(where, " has shape ", hdf5::shape_text(shape),
                                    ", which cannot be read as layout ", wanted, ": ",
                                    letters.size(), " axes instead of ", shape.size()));
  return {letters};
}

bool is_image_shaped(const std::vector<std::int64_t>& s) {
  if (s.size() == 3) return s[1] > 1 && s[2] > 1;
  if (s.size() != 4 || (!is_channel_count(s[1]) && !is_channel_count(s[3]))) return false;
  return std::count(s.begin() + 1, s.end(), 1) < 3;  // labels [N, 1, 1, 1] are not images
}

}  // namespace vae_dist::arrays
