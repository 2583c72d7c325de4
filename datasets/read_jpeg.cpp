#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include <jerror.h>
#include <jpeglib.h>

#include "base/error.hpp"
#include "datasets/exif_orientation.hpp"
#include "datasets/read_picture.hpp"

namespace vae_dist::datasets {
namespace {

// A malicious progressive file can repeat scans without end, and each costs a pass over the
// picture.
constexpr int kMaxScans = 100;

struct JpegDecoder {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf escape;
  char fatal[JMSG_LENGTH_MAX] = "", damage[JMSG_LENGTH_MAX] = "";
  std::vector<std::uint8_t> cmyk_row;

  ~JpegDecoder() { jpeg_destroy_decompress(&info); }
};

JpegDecoder& decoder_of(j_common_ptr info) { return *static_cast<JpegDecoder*>(info->client_data); }

[[noreturn]] void jpeg_error_exit(j_common_ptr info) {
  JpegDecoder& decoder = decoder_of(info);
  info->err->format_message(info, decoder.fatal);
  std::longjmp(decoder.escape, 1);
}

// libjpeg continues after damage and fills the missing parts with grey. Such a picture does not
// belong in a dataset, so the warning is recorded. Warnings about padding and about odd but
// harmless headers are ignored.
void note(j_common_ptr info, int level) {
  if (level >= 0) return;
  const int code = info->err->msg_code;
  if (code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR) return;
  JpegDecoder& decoder = decoder_of(info);
  if (!decoder.damage[0]) info->err->format_message(info, decoder.damage);
}

void refuse_endless_scans(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMaxScans) return;
  JpegDecoder& decoder = decoder_of(info);
  std::snprintf(decoder.fatal, sizeof decoder.fatal, "it has more than %d scans", kMaxScans);
  std::longjmp(decoder.escape, 1);
}

int orientation_of(const jpeg_decompress_struct& info) {
  constexpr char kExif[] = "Exif\0";  // six bytes, including two zeros
  for (const jpeg_marker_struct* marker = info.marker_list; marker; marker = marker->next)
    if (marker->marker == JPEG_APP0 + 1 && marker->data_length > sizeof kExif &&
        std::memcmp(marker->data, kExif, sizeof kExif) == 0)
      return exif_orientation({marker->data + sizeof kExif, marker->data_length - sizeof kExif});
  return 1;
}

// Programs that write Adobe's marker store inverted values: 255 is no ink. Without the marker, 255
// is taken as full ink (the standard does not define it).
void rgb_of_cmyk(const std::vector<std::uint8_t>& cmyk, bool inverted, std::uint8_t* rgb) {
  for (std::size_t i = 0; i + 3 < cmyk.size(); i += 4) {
    const auto light = [&](std::size_t ink) {
      return inverted ? int{cmyk[i + ink]} : 255 - cmyk[i + ink];
    };
    for (std::size_t c = 0; c < 3; ++c)
      *rgb++ = static_cast<std::uint8_t>((light(c) * light(3) + 127) / 255);
  }
}

// libjpeg exits by longjmp, so no object with a destructor may be created in here. Returns false
// with the reason in `fatal`.
bool decode_with(JpegDecoder& decoder, const std::uint8_t* bytes, std::size_t size,
                 std::int64_t most_pixels, plot::Picture& picture, int& orientation) {
  jpeg_decompress_struct& info = decoder.info;
  info.err = jpeg_std_error(&decoder.errors);
  decoder.errors.error_exit = jpeg_error_exit;
  decoder.errors.emit_message = note;
  info.client_data = &decoder;
  if (setjmp(decoder.escape)) return false;
  jpeg_create_decompress(&info);
  decoder.progress.progress_monitor = refuse_endless_scans;
  info.progress = &decoder.progress;
  jpeg_save_markers(&info, JPEG_APP0 + 1, 0xffff);
  jpeg_mem_src(&info, bytes, size);
  jpeg_read_header(&info, TRUE);
  if (static_cast<std::int64_t>(info.image_width) * info.image_height > most_pixels) {
    std::snprintf(decoder.fatal, sizeof decoder.fatal,
                  "it has %ux%u pixels, more than the limit of %lld", info.image_width,
                  info.image_height, static_cast<long long>(most_pixels));
    return false;
  }
  orientation = orientation_of(info);
  const bool grey = info.jpeg_color_space == JCS_GRAYSCALE,
             cmyk = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  info.out_color_space = grey ? JCS_GRAYSCALE : cmyk ? JCS_CMYK : JCS_RGB;
  info.dct_method = JDCT_ISLOW;
  jpeg_start_decompress(&info);
  picture.width = static_cast<int>(info.output_width);
  picture.height = static_cast<int>(info.output_height);
  picture.channels = grey ? 1 : 3;
  const std::size_t stride =
      static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.channels);
  picture.pixels.resize(stride * static_cast<std::size_t>(picture.height));
  if (cmyk) decoder.cmyk_row.resize(4 * static_cast<std::size_t>(picture.width));
  while (info.output_scanline < info.output_height) {
    std::uint8_t* out = picture.pixels.data() + info.output_scanline * stride;
    JSAMPROW row = cmyk ? decoder.cmyk_row.data() : out;
    jpeg_read_scanlines(&info, &row, 1);
    if (cmyk) rgb_of_cmyk(decoder.cmyk_row, info.saw_Adobe_marker, out);
  }
  jpeg_finish_decompress(&info);
  return true;
}

}  // namespace

plot::Picture decode_jpeg(std::span<const std::uint8_t> bytes, std::int64_t most_pixels,
                          int& orientation) {
  JpegDecoder decoder;
  plot::Picture picture;
  if (!decode_with(decoder, bytes.data(), bytes.size(), most_pixels, picture, orientation))
    throw base::BadInput(base::text("it is an unreadable JPEG: ", decoder.fatal));
  if (decoder.damage[0]) throw base::BadInput(base::text("it is a damaged JPEG: ", decoder.damage));
  return picture;
}

}  // namespace vae_dist::datasets
