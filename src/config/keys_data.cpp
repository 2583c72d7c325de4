// The keys of data: what is read and what the model sees of it.
#include "config/key_rows.hpp"

namespace vae_dist::config {
namespace {

/// The keys below `file`, alike for data.train and data.validation; each counts when `condition`
/// (in words: `words`) holds.
void add_source_keys(base::Section& section, SourceConfig& source, const std::string& words,
                     const std::function<bool()>& condition) {
  section
      .key("dataset", source.dataset,
           "path inside the file; null: the only image-shaped dataset, else an error that lists "
           "the candidates")
      .counts_when(words, condition);
  section.key("layout", source.layout, "order of images, height, width and channels")
      .one_of({"auto", "NHW", "NHWC", "NCHW"})
      .counts_when(words, condition);
  section
      .key("scale", source.scale,
           "a factor: stored value times it lies in [0, 1]; auto: the attribute `scale`, or by the "
           "largest value: 1 up to 1, 1/255 up to 255, 1/65535 for uint16")
      .above(0)
      .empty_is("auto")
      .counts_when(words, condition);
  section.key("rows", source.rows, "[first, past_the_last]; null: all")
      .entries(2)
      .at_least(0)
      .empty_is("null")
      .counts_when(words, condition);
  section.key("split", source.split, "name of a Fuel split").counts_when(words, condition);
}

}  // namespace

void add_data_keys(std::vector<base::Key>& keys, DataConfig& data) {
  base::Section train(keys, "data.train");
  train
      .key("file", data.train.file,
           "HDF5 file, or a list of files taken as one; a pattern (part_*.h5) stands for the files "
           "it matches, part_2 before part_10")
      .required()
      .may_change();
  add_source_keys(train, data.train, "", nullptr);

  base::Section validation(keys, "data.validation");
  validation.key("file", data.validation.file, "as data.train.file; null: no validation")
      .empty_is("null")
      .may_change();
  add_source_keys(validation, data.validation, "data.validation.file is given",
                  [&data] { return !data.validation.file.empty(); });
  validation
      .key("fraction", data.validation.fraction,
           "instead of a file: this part of the training rows, chosen by the seed")
      .above(0)
      .below(1);

  base::Section section(keys, "data");
  section.key("range", data.range, "what the model sees").one_of({"[0, 1]", "[-1, 1]"}).entries(2);
  section.choice("binarize", data.binarize, words_of(data.binarize),
                 "dynamic: Bernoulli by intensity, new every epoch; fixed: the same every epoch");
  section.choice("dequantize", data.dequantize, words_of(data.dequantize),
                 "uniform: noise of one grey level, for continuous densities");
  section.key("crop", data.crop, "centre crop, pixels, before resize").at_least(1).at_most(1 << 20);
  section.key("resize", data.resize, "square size in pixels, by averaging areas")
      .at_least(1)
      .at_most(1 << 16);
  section.key("horizontal_flip", data.horizontal_flip,
              "each image mirrored with probability 1/2, by the seed, new every epoch");
  section
      .choice("cache", data.cache, words_of(data.cache),
              "memory: decoded once a node; stream: chunk by chunk; auto: memory if it fits in "
              "half of what is free")
      .may_change();
  section
      .key("shuffle_window_chunks", data.shuffle_window_chunks,
           "chunks shuffled together; 0: all samples; auto: 0 in memory, else what 64 MiB hold; "
           "kept from the first start")
      .at_least(0)
      .empty_is("auto");
  section.key("prefetch_batches", data.prefetch_batches, "batches read ahead of the step")
      .at_least(1)
      .at_most(10000)
      .may_change();
  section
      .key("reader_threads", data.reader_threads,
           "threads of a rank that read and decode, and make batches for a GPU")
      .at_least(1)
      .at_most(1024)
      .empty_is("auto")
      .may_change();
}

}  // namespace vae_dist::config
