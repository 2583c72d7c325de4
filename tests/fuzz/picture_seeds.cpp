// Writes small pictures of each kind into a folder, as seeds for picture_fuzz.
#include <fstream>

#include "../datasets/picture_files.hpp"

int main(int argc, char** argv) {
  using namespace vae_dist;
  if (argc != 2) return 2;
  int number = 0;
  const auto write = [&](const datasets::Bytes& bytes) {
    std::ofstream(std::string(argv[1]) + "/picture" + std::to_string(number++), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  };
  const auto flat = [](int channels) {
    return plot::Picture{9, 8, channels,
                         datasets::Bytes(static_cast<std::size_t>(72 * channels), 77)};
  };
  datasets::Bytes exif = {'E', 'x', 'i', 'f', 0, 0};
  const datasets::Bytes block = datasets::exif_block(6, true);
  exif.insert(exif.end(), block.begin(), block.end());
  for (const int channels : {1, 3, 4})
    for (const bool progressive : {false, true})
      write(datasets::jpeg_file(flat(channels),
                                {.quality = 50, .progressive = progressive, .exif = exif}));
  write(datasets::png_file(flat(1)));
  write(datasets::png_file(flat(3)));
  write(datasets::png_file(1, 2, {{1, 2, 3, 4, 5, 6, 7, 8}},
                           {.colour = PNG_COLOR_TYPE_RGB_ALPHA, .exif = block}));
  write(datasets::png_file(2, 2, {{1, 2, 3, 4}, {5, 6, 7, 8}},
                           {.colour = PNG_COLOR_TYPE_GRAY, .bits = 16, .interlaced = true}));
  write(datasets::png_file(1, 2, {{0x10}},
                           {.colour = PNG_COLOR_TYPE_PALETTE,
                            .bits = 4,
                            .palette = {{1, 2, 3}, {4, 5, 6}},
                            .palette_alpha = {9, 8}}));
}
