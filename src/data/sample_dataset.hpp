// A dataset of images in HDF5 files. Finds the images, determines their layout, their scale and the
// rows that are samples, and reads them from memory if they were decoded once, otherwise from the
// files.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arrays/decoded_rows.hpp"
#include "comm/communicator.hpp"
#include "data/decoded_source.hpp"
#include "data/normalisation.hpp"
#include "data/sample_chunks.hpp"
#include "data/sample_conditions.hpp"
#include "data/sample_finish.hpp"

namespace vae_dist::data {

struct SampleSource {
  std::vector<std::string> files;     ///< read as one dataset, in this order
  std::vector<std::string> datasets;  ///< empty = the only image-shaped dataset of each file;
                                      ///< several are the channels
  std::string layout = "auto";        ///< see arrays/array_axes.hpp
  std::optional<double>
      scale;  ///< empty = the dataset's attribute `scale`, or found by inspecting the values
  bool plain =
      false;  ///< the values are numbers of any range: the scale is 1, whatever the file says
  bool mask_missing = false;       ///< values that the file says are missing are NaN; else an error
  std::vector<std::int64_t> rows;  ///< empty = all, otherwise [first, past the last]
  std::optional<std::string> split;  ///< a split of Fuel's `split` attribute
  arrays::Geometry geometry;
  std::vector<std::int64_t> random_crop;  ///< size of the windows that steps see, along each axis
                                          ///< of space; empty = whole samples
  FinishOptions finish;
};

class SampleDataset {
 public:
  /// Opens and checks the dataset. Decodes only up to 64 images, and only if the scale, or a
  /// fingerprint of values, is requested. Throws BadInput, naming the file and the dataset, if a
  /// file is missing or truncated, if there is no image-shaped dataset or several, if the number of
  /// axes does not fit images, if rows are out of range, or if the layout or scale cannot be
  /// determined.
  static SampleDataset open(const SampleSource& source);

  /// Does the same. If the rows take at most `memory_budget` bytes, it also decodes them into
  /// memory with one thread.
  static SampleDataset open(const SampleSource& source, std::uint64_t memory_budget);

  /// Holds out `fraction` of the samples, chosen by the seed, and returns them; this dataset keeps
  /// the others. Both read from the same memory.
  SampleDataset hold_out(double fraction, std::uint64_t seed);

  std::int64_t size() const { return samples_.size(); }
  const arrays::SampleShape& shape() const;  ///< as the model sees them, after a random crop
  const arrays::SampleLayout& layout() const;
  arrays::PixelType type() const;  ///< of the values that read() returns
  /// Returns the factor that brings a value to [0, 1]. Throws BadInput if it cannot be determined.
  /// The first call also throws Failure if it does not bring a value that this rank has decoded
  /// into memory to [0, 1]. Values that are decoded later are checked as they are read.
  double scale() const;
  bool scale_is_given() const;  ///< by the configuration or the file; otherwise it was found by
                                ///< inspecting some images
  std::size_t image_bytes() const {
    return static_cast<std::size_t>(shape().values()) * bytes_of(type());
  }
  const hdf5::Hdf5Dataset& stored() const;
  /// Returns the datasets that the channels come from, in their order.
  std::vector<StoredArray> stored_arrays() const;

  bool is_plain() const;  ///< SampleSource::plain

  bool masks_missing() const;  ///< SampleSource::mask_missing

  /// How stored values become what the model sees; null: by the scale. Shared with the part that is
  /// held out.
  const std::shared_ptr<const Normalisation>& normalisation() const;
  /// Throws BadInput if it has not as many entries as the samples have channels.
  void normalise(const Normalisation& normalisation);

  /// What a conditional model is told about each sample; null: nothing. Not shared with the part
  /// that is held out later.
  const std::shared_ptr<const SampleConditions>& conditions() const { return conditions_; }
  void use_conditions(std::shared_ptr<const SampleConditions> conditions) {
    conditions_ = std::move(conditions);
  }

  /// Reads sample `index` of [0, size()): shape().values() values of type() in layout() order, with
  /// the random draws of `epoch` if there are any; of samples that are cropped, the window in the
  /// middle. Thread-safe.
  void read(std::int64_t index, std::span<std::uint8_t> out, std::int64_t epoch = 0) const;

  /// Whether steps see windows of the samples, drawn at random.
  bool crops() const;
  /// The space of whole samples.
  const std::vector<std::int64_t>& whole_space() const;
  /// Whether a window can be read without reading its whole sample or, of samples that are not
  /// cropped, a sample without reading any other. Then streaming reads what a batch needs to its
  /// place in the batch, by any number of threads.
  bool reads_windows() const;
  /// Does the same as read() for this window of the sample.
  void read_window(std::int64_t index, const arrays::SpaceWindow& window,
                   std::span<std::uint8_t> out, std::int64_t epoch) const;
  /// Does the same for a sample whose decoded values (see decoded()) are given.
  void finish_window(std::span<const std::byte> decoded, std::int64_t index,
                     const arrays::SpaceWindow& window, std::span<std::uint8_t> out,
                     std::int64_t epoch) const;

  /// Returns a hash that tells whether two runs train on the same data. Of one file it is that of
  /// the shape, the count, and the values of up to 64 rows spread over the dataset, however the
  /// file stores them. Of several files, or where these rows take more than 64 MiB, no value is
  /// read: it is "names-" and a hash of names, shapes, types and attributes (see
  /// arrays/names_fingerprint.hpp).
  std::string fingerprint() const;
  /// Returns the fingerprint of the same kind as `other`, to be compared with it.
  std::string fingerprint_like(const std::string& other) const;

  /// Returns a line such as "shapes.h5:/imgs: 20000 images 3x64x64 (NHWC, uint8 0-255)".
  std::string description() const;

  /// Returns what may be wrong about the way in which the file is read, in whole sentences: a scale
  /// that fits but is unlikely, splits of which none was chosen.
  std::vector<std::string> doubts() const;

  /// Returns the other datasets of the file that have one row per image: labels, factors.
  std::vector<hdf5::Hdf5Dataset> annotations() const;

  // Memory, and what reading without memory needs to know.

  /// Returns the bytes that the decoded rows take, including held-out ones.
  std::uint64_t memory_bytes() const;
  bool in_memory() const;

  struct CacheOptions {
    std::int64_t threads = 1;  ///< of this rank
    std::function<void(double share)> on_progress = [](double) {
    };  ///< called on rank 0 of the node between chunks, with the share of all bytes that is done
  };
  /// Decodes everything once into memory that the ranks of the node share (see NodeMemory). Each
  /// rank takes the next chunk that no other has taken. Throws AgreedError. Collective over both
  /// communicators.
  void cache(comm::CpuCommunicator& node, comm::CpuCommunicator& all, const CacheOptions& options);

  /// Decodes the sections of these replicas into memory of this process, which training then reads.
  /// Everything else still reads the files. Throws Failure if a chunk cannot be decoded.
  void cache_sections(const OrderPlan& order, const ReplicaRange& replicas,
                      const CacheOptions& options);
  /// Returns the sections in memory, or null.
  const std::shared_ptr<DecodedSource>& sections() const { return sections_; }

  /// Returns the decoded image before finishing. Requires in_memory().
  std::span<const std::byte> decoded(std::int64_t index) const;
  const SampleFinish& finish() const;
  const arrays::DecodedRows& rows() const;
  const SampleRows& samples() const { return samples_; }
  /// Returns the distribution of the samples over the chunks of the files.
  SampleChunks chunks() const { return SampleChunks::of(rows(), samples_); }

 private:
  struct Store;  // shared by a dataset and the part held out of it
  enum class FingerprintKind { values, names };
  std::string fingerprint_of(FingerprintKind kind) const;
  static void crop_at_random(Store& store, const SampleSource& source);
  SampleDataset(std::shared_ptr<Store> store, SampleRows samples);

  std::shared_ptr<Store> store_;
  SampleRows samples_;
  std::shared_ptr<DecodedSource> sections_;
  std::shared_ptr<const SampleConditions> conditions_;
};

}  // namespace vae_dist::data
