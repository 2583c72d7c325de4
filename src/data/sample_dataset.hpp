// A dataset of images in HDF5 files: found, understood (layout, scale, which rows are samples), and
// read: from memory where it was decoded once, else from the files.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "data/decoded_rows.hpp"
#include "data/sample_chunks.hpp"
#include "data/sample_finish.hpp"

namespace vae_dist::data {

struct SampleSource {
  std::vector<std::string> files;      ///< taken as one, in this order
  std::optional<std::string> dataset;  ///< empty: the only image-shaped dataset of each file
  std::string layout = "auto";         ///< auto | NHW | NHWC | NCHW
  std::optional<double>
      scale;  ///< empty: the dataset's attribute `scale`, or found by looking at the values
  std::vector<std::int64_t> rows;    ///< empty: all, else [first, past the last]
  std::optional<std::string> split;  ///< of Fuel's `split` attribute
  Geometry geometry;
  FinishOptions finish;
};

class SampleDataset {
 public:
  /// Opens and checks; nothing is decoded but up to 64 images, when the scale or a fingerprint is
  /// asked for. Throws BadInput naming file and dataset: missing, truncated, no or several
  /// image-shaped datasets, a rank that is no image's, rows out of range, a layout or scale that
  /// cannot be told.
  static SampleDataset open(const SampleSource& source);

  /// The same, and decoded into memory now by one thread when the rows take at most `memory_budget`
  /// bytes.
  static SampleDataset open(const SampleSource& source, std::uint64_t memory_budget);

  /// Holds out `fraction` of the samples, chosen by the seed, and returns them: this one keeps the
  /// others. Both read from the same memory.
  SampleDataset hold_out(double fraction, std::uint64_t seed);

  std::int64_t size() const { return samples_.size(); }
  const SampleShape& shape() const;
  SampleLayout layout() const;
  PixelType type() const;  ///< of the values as they travel
  /// A value times this lies in [0, 1]. Throws BadInput where it cannot be told, and (when called
  /// first) Failure for a value decoded into memory by this rank that it does not bring there.
  /// Values that are decoded later are checked as they are read.
  double scale() const;
  bool scale_is_given()
      const;  ///< by the configuration or the file; else it was found by looking at some images
  std::size_t image_bytes() const {
    return static_cast<std::size_t>(shape().values()) * bytes_of(type());
  }
  const hdf5::Hdf5Dataset& stored() const;

  /// Sample `index` of [0, size()) as it travels: shape().values() values of type() in layout()
  /// order, with the draws of `epoch` where there are any. Safe from several threads.
  void read(std::int64_t index, std::span<std::uint8_t> out, std::int64_t epoch = 0) const;

  /// The same for every file with the same images: of shape, count, and the values of up to 64 rows
  /// spread over the dataset.
  std::string fingerprint() const;

  /// "shapes.h5:/imgs: 20000 images 3x64x64 (NHWC, uint8 0-255)".
  std::string description() const;

  /// What may be wrong about the way in which the file is read, in whole sentences: a scale that
  /// fits but is unlikely, splits that are not chosen.
  std::vector<std::string> doubts() const;

  /// Other datasets of the file with a row an image: labels, factors.
  std::vector<hdf5::Hdf5Dataset> companions() const;

  // Memory, and what reading without it has to know.

  /// Bytes that the decoded rows take, held-out ones among them.
  std::uint64_t memory_bytes() const;
  bool in_memory() const;

  struct CacheOptions {
    std::int64_t threads = 1;  ///< of this rank
    std::function<void(double share)> on_progress = [](double) {
    };  ///< called on rank 0 of the node, between chunks; share of all bytes
  };
  /// Decodes everything once into memory that the ranks of the node share, each rank taking the
  /// next chunk that nobody has taken. See NodeMemory. Throws AgreedError. A collective of both.
  void cache(comm::HostCommunicator& node, comm::HostCommunicator& all,
             const CacheOptions& options);

  /// The decoded image before finishing; in_memory() only.
  std::span<const std::byte> decoded(std::int64_t index) const;
  const SampleFinish& finish() const;
  const DecodedRows& rows() const;
  const SampleRows& samples() const { return samples_; }
  /// How the samples lie in the files.
  SampleChunks chunks() const { return SampleChunks::of(rows(), samples_); }

 private:
  struct Store;  // what a dataset and the part held out of it share
  SampleDataset(std::shared_ptr<Store> store, SampleRows samples);

  std::shared_ptr<Store> store_;
  SampleRows samples_;
};

}  // namespace vae_dist::data
