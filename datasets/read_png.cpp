#include <png.h>

#include <cstdio>
#include <cstring>

#include "base/error.hpp"
#include "datasets/exif_orientation.hpp"
#include "datasets/read_picture.hpp"

namespace vae_dist::datasets {
namespace {

struct PngDecoder {
  png_structp png = nullptr;
  png_infop info = nullptr;
  const std::uint8_t* next = nullptr;
  std::size_t left = 0;
  char fatal[200] = "";

  ~PngDecoder() { png_destroy_read_struct(&png, &info, nullptr); }
};

[[noreturn]] void png_error_exit(png_structp png, png_const_charp message) {
  auto& decoder = *static_cast<PngDecoder*>(png_get_error_ptr(png));
  std::snprintf(decoder.fatal, sizeof decoder.fatal, "%s", message);
  png_longjmp(png, 1);
}

void ignore(png_structp, png_const_charp) {}  // warnings concern chunks other than the pixels

void give_bytes(png_structp png, png_bytep out, std::size_t count) {
  auto& decoder = *static_cast<PngDecoder*>(png_get_io_ptr(png));
  if (decoder.left < count) png_error(png, "it ends too early");
  std::memcpy(out, decoder.next, count);
  decoder.next += count;
  decoder.left -= count;
}

// Requests 8 bits per channel: grey, grey and alpha, RGB, or RGB and alpha.
void ask_for_bytes(png_structp png, png_infop info) {
  const int colour = png_get_color_type(png, info), bits = png_get_bit_depth(png, info);
  if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (colour == PNG_COLOR_TYPE_GRAY && bits < 8) png_set_expand_gray_1_2_4_to_8(png);
  if (png_get_valid(png, info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(png);
  if (bits == 16) png_set_scale_16(png);
}

// libpng exits by longjmp, so no object with a destructor may be created in here. Returns false
// with the reason in `fatal`.
bool decode_with(PngDecoder& decoder, std::int64_t most_pixels, plot::Picture& picture,
                 int& orientation) {
  decoder.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &decoder, png_error_exit, ignore);
  if (decoder.png) decoder.info = png_create_info_struct(decoder.png);
  if (!decoder.info) {
    std::snprintf(decoder.fatal, sizeof decoder.fatal, "libpng cannot be initialised");
    return false;
  }
  if (setjmp(png_jmpbuf(decoder.png))) return false;
  png_set_read_fn(decoder.png, &decoder, give_bytes);
  png_read_info(decoder.png, decoder.info);
  const png_uint_32 width = png_get_image_width(decoder.png, decoder.info),
                    height = png_get_image_height(decoder.png, decoder.info);
  if (static_cast<std::int64_t>(width) * height > most_pixels) {
    std::snprintf(decoder.fatal, sizeof decoder.fatal,
                  "it has %ux%u pixels, more than the limit of %lld", width, height,
                  static_cast<long long>(most_pixels));
    return false;
  }
  ask_for_bytes(decoder.png, decoder.info);
  const int passes = png_set_interlace_handling(decoder.png);
  png_read_update_info(decoder.png, decoder.info);
  picture.width = static_cast<int>(width);
  picture.height = static_cast<int>(height);
  picture.channels = png_get_channels(decoder.png, decoder.info);
  const std::size_t stride = png_get_rowbytes(decoder.png, decoder.info);
  picture.pixels.resize(stride * height);
  for (int pass = 0; pass < passes; ++pass)
    for (png_uint_32 row = 0; row < height; ++row)
      png_read_row(decoder.png, picture.pixels.data() + row * stride, nullptr);
  png_read_end(decoder.png, decoder.info);
  png_uint_32 exif_bytes = 0;
  png_bytep exif = nullptr;
  if (png_get_eXIf_1(decoder.png, decoder.info, &exif_bytes, &exif))
    orientation = exif_orientation({exif, exif_bytes});
  return true;
}

plot::Picture blended_over(const plot::Picture& picture, std::uint8_t background) {
  const auto colours = static_cast<std::size_t>(picture.channels - 1);
  plot::Picture out{picture.height, picture.width, picture.channels - 1, {}};
  out.pixels.reserve(picture.pixels.size() / (colours + 1) * colours);
  for (std::size_t i = 0; i < picture.pixels.size(); i += colours + 1) {
    const int alpha = picture.pixels[i + colours];
    for (std::size_t c = 0; c < colours; ++c)
      out.pixels.push_back(static_cast<std::uint8_t>(
          (picture.pixels[i + c] * alpha + background * (255 - alpha) + 127) / 255));
  }
  return out;
}

}  // namespace

plot::Picture decode_png(std::span<const std::uint8_t> bytes, std::uint8_t background,
                         std::int64_t most_pixels, int& orientation) {
  PngDecoder decoder;
  decoder.next = bytes.data();
  decoder.left = bytes.size();
  plot::Picture picture;
  if (!decode_with(decoder, most_pixels, picture, orientation))
    throw base::BadInput(base::text("it is an unreadable PNG: ", decoder.fatal));
  return picture.channels % 2 == 0 ? blended_over(picture, background) : picture;
}

}  // namespace vae_dist::datasets
