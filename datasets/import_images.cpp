#include "datasets/import_images.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "base/error.hpp"
#include "base/ordered_tasks.hpp"
#include "base/progress_bar.hpp"
#include "base/utf8.hpp"
#include "datasets/chunk_writer.hpp"
#include "datasets/picture_folder.hpp"
#include "datasets/read_picture.hpp"
#include "hdf5/file.hpp"
#include "hdf5/partial_file.hpp"

namespace vae_dist::datasets {
namespace {

struct Size {
  int height = 0, width = 0;
  bool operator==(const Size&) const = default;
};

// A picture ready for the dataset, or the reason why it cannot be read.
struct Fitted {
  plot::Picture picture;
  bool grey = false, enlarged = false;
  std::string broken;
};

// A range of consecutive pictures. `pixels` concatenates those that can be read.
struct Group {
  std::vector<std::uint8_t> pixels;
  std::vector<std::size_t> read;  // indices of the pictures in `pixels`
  std::vector<std::pair<std::size_t, std::string>> broken;
  std::size_t files = 0;
  std::int64_t enlarged = 0;
  bool all_grey = true;
};

class ImageImporter {
 public:
  ImageImporter(const std::string& folder, const ImportImagesOptions& options)
      : root_(folder), options_(options), folder_(list_pictures(folder, options.classes)) {}

  ImportedImages write(const std::string& out) {
    hdf5::PartialFile partial(out);
    find_size();
    hdf5::Hdf5File file = hdf5::Hdf5File::create(partial.path());
    write_images(file);
    if (!folder_.classes.empty()) write_labels(file);
    file.close();
    partial.commit();
    done_.classes = folder_.classes;
    done_.others = folder_.others;
    done_.first_other = folder_.first_other;
    done_.merged = folder_.merged;
    return std::move(done_);
  }

 private:
  std::string place(std::size_t i) const {
    return root_ + (root_.ends_with('/') ? "" : "/") + folder_.pictures[i];
  }

  Fitted fit(std::size_t i) const {
    Fitted out;
    try {
      plot::Picture picture = read_picture(place(i), options_.background);
      out.grey = picture.channels == 1;
      out.enlarged = std::min(picture.height, picture.width) < options_.fit.size;
      out.picture = fit_picture(std::move(picture), options_.fit);
    } catch (const base::BadInput& error) {
      out.broken = error.what();
    }
    return out;
  }

  [[noreturn]] void refuse(std::size_t i, const std::string& reason) const {
    throw base::BadInput(
        base::text(place(i), ": ", reason,
                   ". Repair or remove it, or leave out such pictures with --on-error skip"));
  }

  // The first readable picture sets the size for all.
  void find_size() {
    for (std::size_t i = 0; i < folder_.pictures.size(); ++i) {
      const Fitted first = fit(i);
      if (first.broken.empty()) {
        size_ = {first.picture.height, first.picture.width};
        first_ = i;
        image_bytes_ = first.picture.pixels.size();
        return;
      }
      if (!options_.skip_broken) refuse(i, first.broken);
    }
    throw base::BadInput(base::text("none of the ", folder_.pictures.size(), " pictures in ", root_,
                                    " can be read. The first, ", folder_.pictures[0], ": ",
                                    fit(0).broken));
  }

  Group read_group(std::size_t begin, std::size_t end) const {
    Group group;
    group.files = end - begin;
    for (std::size_t i = begin; i < end; ++i) {
      Fitted fitted = fit(i);
      if (!fitted.broken.empty()) {
        group.broken.emplace_back(i, std::move(fitted.broken));
        continue;
      }
      const Size size{fitted.picture.height, fitted.picture.width};
      if (size != size_)
        throw base::BadInput(base::text(place(i), " has ", size.height, "x", size.width,
                                        " pixels, but ", place(first_), " has ", size_.height, "x",
                                        size_.width,
                                        ": give --size to bring all pictures to one size"));
      group.read.push_back(i);
      group.pixels.insert(group.pixels.end(), fitted.picture.pixels.begin(),
                          fitted.picture.pixels.end());
      group.enlarged += fitted.enlarged;
      group.all_grey = group.all_grey && fitted.grey;
    }
    return group;
  }

  // Decodes groups of pictures in parallel and writes them in order.
  void write_images(hdf5::Hdf5File& file) {
    const std::int64_t chunk_rows = chunk_rows_for(static_cast<std::int64_t>(image_bytes_));
    std::vector<std::int64_t> shape = {static_cast<std::int64_t>(folder_.pictures.size()),
                                       size_.height, size_.width};
    if (!options_.fit.grey) shape.push_back(3);
    hdf5::Hdf5Dataset images =
        file.create_dataset("imgs", {.shape = shape,
                                     .chunk_rows = chunk_rows,
                                     .deflate_level = options_.compression.deflate_level});
    const std::size_t threads = base::thread_count(options_.threads),
                      group_size = static_cast<std::size_t>(chunk_rows);
    base::OrderedTasks<Group> groups(threads);
    ChunkWriter writer({.chunk_rows = images.chunk()[0], .row_bytes = image_bytes_},
                       options_.compression, threads,
                       [&](std::int64_t first, std::span<const std::uint8_t> chunk) {
                         images.write_chunk(first, chunk);
                       });
    base::ProgressBar progress("pictures", shape[0]);
    for (std::size_t next = 0, done = 0; done < folder_.pictures.size();) {
      for (; next < folder_.pictures.size() && !groups.full(); next += group_size) {
        const std::size_t end = std::min(next + group_size, folder_.pictures.size());
        groups.start([this, next, end] { return read_group(next, end); });
      }
      const Group group = groups.next();
      note(group);
      writer.append(group.pixels);
      done += group.files;
      progress.update(static_cast<std::int64_t>(done));
    }
    writer.finish();
    images.shrink(static_cast<std::int64_t>(read_.size()));
    done_.shape = images.shape();
  }

  void note(const Group& group) {
    for (const auto& [i, reason] : group.broken) {
      if (!options_.skip_broken) refuse(i, reason);
      done_.skipped.push_back(base::text(place(i), ": ", reason));
    }
    read_.insert(read_.end(), group.read.begin(), group.read.end());
    done_.enlarged += group.enlarged;
    done_.all_grey = done_.all_grey && group.all_grey;
  }

  void write_labels(hdf5::Hdf5File& file) const {
    std::vector<std::int64_t> labels;
    for (const std::size_t i : read_) labels.push_back(folder_.labels[i]);
    const auto rows = static_cast<std::int64_t>(labels.size());
    const bool bytes = folder_.classes.size() <= 256;
    hdf5::Hdf5Dataset dataset = file.create_dataset(
        "labels", {.shape = {rows},
                   .type = bytes ? hdf5::ElementType::uint8 : hdf5::ElementType::int64,
                   .chunk_rows = 1 << 16,
                   .deflate_level = 4,
                   .shuffle = !bytes});
    dataset.write_rows(0, rows, std::span<const std::int64_t>(labels));
    std::vector<std::string> names;  // folder names have any encoding; HDF5 texts are UTF-8
    for (const std::string& name : folder_.classes) names.push_back(base::utf8_text(name));
    dataset.set_attribute("names", names);
  }

  std::string root_;
  ImportImagesOptions options_;
  PictureFolder folder_;
  Size size_;
  std::size_t first_ = 0, image_bytes_ = 0;
  std::vector<std::size_t> read_;  // indices of the folder's pictures that are in the dataset
  ImportedImages done_;
};

void check_import_options(const ImportImagesOptions& options) {
  if (options.fit.size < 0 || options.fit.size > 8192)
    throw base::BadInput(
        base::text("import-images: size is ", options.fit.size, ": give 1 to 8192 pixels"));
  if (options.threads < 0)
    throw base::BadInput(base::text("import-images: threads is ", options.threads,
                                    ": give 0 for one per core, or a number"));
}

}  // namespace

ImportedImages import_images(const std::string& folder, const std::string& out,
                             const ImportImagesOptions& options) {
  check_import_options(options);
  return ImageImporter(folder, options).write(out);
}

}  // namespace vae_dist::datasets
