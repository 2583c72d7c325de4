// The words for convolutions and their ways.
#include <sstream>
#include <stdexcept>

#include "base/text.hpp"
#include "kernels/convolution.hpp"

namespace vae_dist::kernels {
namespace {

std::int64_t out_size(const ConvolutionShape& shape, std::int64_t in, std::int64_t extra) {
  const ConvolutionGeometry& geometry = shape.geometry;
  return geometry.transposed
             ? (in - 1) * geometry.stride - 2 * geometry.padding + shape.kernel + extra
             : (in + 2 * geometry.padding - shape.kernel) / geometry.stride + 1;
}

// Reads `expected` and then a number.
std::int64_t number_after(std::istream& text, const std::string& expected) {
  for (const char c : expected)
    if (text.get() != c) throw std::invalid_argument("'" + expected + "' is missing");
  std::int64_t value = 0;
  if (!(text >> value) || value < 0)
    throw std::invalid_argument("no number follows '" + expected + "'");
  return value;
}

}  // namespace

std::int64_t ConvolutionShape::out_height() const {
  return out_size(*this, in_height, geometry.output_padding[0]);
}

std::int64_t ConvolutionShape::out_width() const {
  return out_size(*this, in_width, geometry.output_padding[1]);
}

double ConvolutionShape::operations() const {
  const std::int64_t small =
      geometry.transposed ? in_height * in_width : out_height() * out_width();
  return 2.0 * static_cast<double>(batch * small) * static_cast<double>(kernel * kernel) *
         static_cast<double>(in_channels * out_channels);
}

std::string ConvolutionShape::text() const {
  std::string out =
      base::text(geometry.transposed ? "transposed " : "conv ", in_channels, "->", out_channels,
                 " k", kernel, " s", geometry.stride, " p", geometry.padding);
  if (geometry.transposed)
    out += base::text(" o", geometry.output_padding[0], "x", geometry.output_padding[1]);
  return out + base::text(", ", batch, " x ", in_height, "x", in_width);
}

ConvolutionShape ConvolutionShape::parse(const std::string& text) {
  ConvolutionShape out;
  std::istringstream in(text);
  try {
    std::string kind;
    in >> kind;
    if (kind != "conv" && kind != "transposed")
      throw std::invalid_argument("it begins with neither 'conv' nor 'transposed'");
    out.geometry.transposed = kind == "transposed";
    out.in_channels = number_after(in, " ");
    out.out_channels = number_after(in, "->");
    out.kernel = number_after(in, " k");
    out.geometry.stride = number_after(in, " s");
    out.geometry.padding = number_after(in, " p");
    if (out.geometry.transposed)
      out.geometry.output_padding = {number_after(in, " o"), number_after(in, "x")};
    out.batch = number_after(in, ", ");
    out.in_height = number_after(in, " x ");
    out.in_width = number_after(in, "x");
    if (in.peek() != std::istringstream::traits_type::eof())
      throw std::invalid_argument("something follows its end");
    if (out.geometry.stride < 1 || out.kernel < 1)
      throw std::invalid_argument("kernel and stride are at least 1");
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument("'" + text + "' is no shape of a convolution: " + error.what());
  }
  return out;
}

std::string word(ConvolutionWay way) {
  switch (way) {
    case ConvolutionWay::onednn:
      return "onednn";
    case ConvolutionWay::products:
      return "products";
    case ConvolutionWay::direct:
      return "direct";
  }
  throw std::logic_error("unknown value of ConvolutionWay");
}

std::string word(ConvolutionDirection direction) {
  switch (direction) {
    case ConvolutionDirection::forward:
      return "forward";
    case ConvolutionDirection::input_gradient:
      return "input_gradient";
    case ConvolutionDirection::weight_gradient:
      return "weight_gradient";
  }
  throw std::logic_error("unknown value of ConvolutionDirection");
}

ConvolutionWay convolution_way(const std::string& name) {
  for (const auto way : {ConvolutionWay::onednn, ConvolutionWay::products, ConvolutionWay::direct})
    if (word(way) == name) return way;
  throw std::invalid_argument("'" + name +
                              "' is no way to compute a convolution: onednn, products or direct");
}

ConvolutionWay& ConvolutionWays::of(ConvolutionDirection direction) {
  switch (direction) {
    case ConvolutionDirection::forward:
      return forward;
    case ConvolutionDirection::input_gradient:
      return input_gradient;
    case ConvolutionDirection::weight_gradient:
      return weight_gradient;
  }
  throw std::logic_error("unknown value of ConvolutionDirection");
}

ConvolutionWay ConvolutionWays::of(ConvolutionDirection direction) const {
  ConvolutionWays copy = *this;
  return copy.of(direction);
}

}  // namespace vae_dist::kernels
