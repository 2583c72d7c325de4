// The keys of data: what is read and how it is prepared for the model.
#include "config/key_rows.hpp"
#include "config/scalar_text.hpp"

namespace vae_dist::config {
namespace {

const std::string kScales = "data.normalize is scale";

/// Adds the keys below `file`, which data.train and data.validation share. They apply only if
/// `condition` holds; `words` states the condition.
void add_source_keys(base::Section& section, SourceConfig& source, const DataConfig& data,
                     const std::string& words, const std::function<bool()>& condition) {
  section
      .key("dataset", source.dataset,
           "path of the dataset inside the file, or a list of datasets that are the channels, in "
           "this order; null: the only image-shaped dataset, otherwise an error lists the "
           "candidates")
      .empty_is("null")
      .counts_when(words, condition);
  section
      .key("layout", source.layout,
           "a letter for each axis of the dataset, outermost first: N samples (several are counted "
           "together; none: a file is one sample), C channels, D H W space, V the values of a "
           "vector; NHW(C): C only where there are as many axes; auto: by the file's labels, or "
           "images by their shape")
      .counts_when(words, condition);
  section
      .key("scale", source.scale,
           "factor that maps stored values to [0, 1]; auto: the attribute `scale`, or chosen by "
           "the largest value: 1 up to 1, 1/255 up to 255, 1/65535 for uint16")
      .above(0)
      .empty_is("auto")
      .counts_when(words.empty() ? kScales : words + " and " + kScales, [&data, condition] {
        return data.normalize == Normalize::scale && (!condition || condition());
      });
  section.key("rows", source.rows, "rows to use: [first, past_the_last]; null: all")
      .entries(2)
      .at_least(0)
      .empty_is("null")
      .counts_when(words, condition);
  section.key("split", source.split, "name of the Fuel split to use").counts_when(words, condition);
}

}  // namespace

void add_data_keys(std::vector<base::Key>& keys, DataConfig& data) {
  base::Section train(keys, "data.train");
  train
      .key("file", data.train.file,
           "HDF5 file, or a list of files that are read as one; a pattern (part_*.h5) stands for "
           "the matching files, part_2 before part_10. Up to 1,000 of them are kept by name, more "
           "as "
           "the pattern")
      .is_file()
      .required()
      .may_change();
  add_source_keys(train, data.train, data, "", nullptr);
  train
      .key("condition", data.train.condition,
           "what the model is told about each sample beside its values, q(z|x,y) and p(x|z,y): a "
           "list of {name: ..., dataset: ...}, also for data.validation. Available: " +
               items_help(base::Registry<base::Condition>::all().items()))
      .empty_is("[]")
      .for_older_runs("[]");

  base::Section validation(keys, "data.validation");
  validation.key("file", data.validation.file, "like data.train.file; null: no validation file")
      .is_file()
      .empty_is("null")
      .may_change();
  add_source_keys(validation, data.validation, data, "data.validation.file is set",
                  [&data] { return !data.validation.file.empty(); });
  validation
      .key("fraction", data.validation.fraction,
           "instead of a file: hold out this fraction of the training rows, chosen by run.seed")
      .above(0)
      .below(1);

  base::Section section(keys, "data");
  section.key("range", data.range, "range of the model's input values")
      .one_of({"[0, 1]", "[-1, 1]"})
      .entries(2)
      .counts_when(kScales, [&data] { return data.normalize == Normalize::scale; });
  section
      .choice("normalize", data.normalize, words_of(data.normalize),
              "what the model sees of the stored values, by channel (by value for vectors). scale: "
              "times data.train.scale, in data.range; standardize: (x - mean) / deviation; "
              "min_max: to [0, 1]; none: as they are. Statistics are those of the training rows")
      .for_older_runs("scale");
  section
      .key("transform", data.transform,
           "applied before normalize: " +
               joined(base::Registry<base::Transform>::all().names(), " | ") +
               "; one, or a list with one for each channel")
      .each_of(base::Registry<base::Transform>::all().names())
      .for_older_runs("[none]")
      .counts_when("data.normalize is not scale",
                   [&data] { return data.normalize != Normalize::scale; });
  section
      .key("encoder_transform", data.encoder_transform,
           "applied to what the encoder alone sees, such as log1p for counts; the values that are "
           "learned stay as they are stored. One, or one for each channel; null: the same values")
      .each_of(base::Registry<base::Transform>::all().names())
      .empty_is("null")
      .for_older_runs("null")
      .counts_when("data.normalize is none", [&data] { return data.normalize == Normalize::none; });
  section
      .choice("missing", data.missing, words_of(data.missing),
              "values that the file says are missing (NaN, the attribute _FillValue). mask: the "
              "model sees 0 there, in normalised units, and the mask as further channels; losses "
              "are over the observed values of each sample; error: they are refused, naming the "
              "sample")
      .for_older_runs("error")
      .counts_when("data.normalize is not scale",
                   [&data] { return data.normalize != Normalize::scale; });
  section.choice("binarize", data.binarize, words_of(data.binarize),
                 "threshold: 1 from half of the range on; dynamic: 1 with the probability that the "
                 "value gives, redrawn every epoch; fixed: drawn once");
  section.choice("dequantize", data.dequantize, words_of(data.dequantize),
                 "uniform: add uniform noise of one grey level, for continuous densities");
  section.key("crop", data.crop, "size of the centre crop in pixels, taken before the resize")
      .at_least(1)
      .at_most(1 << 20);
  section.key("resize", data.resize, "side of the square output in pixels; areas are averaged")
      .at_least(1)
      .at_most(1 << 16);
  section
      .key("random_crop", data.random_crop,
           "size of the window of each sample that a step sees, along each axis of space, such as "
           "[64, 64, 64]; drawn from run.seed anew every epoch; evaluations see the middle, and "
           "`vae_dist reconstruct` puts whole samples together from tiles; null: whole samples")
      .at_least(1)
      .empty_is("null")
      .for_older_runs("null");
  section.key("horizontal_flip", data.horizontal_flip,
              "mirror each image with probability 1/2, drawn from run.seed anew every epoch");
  section
      .key("flip", data.flip,
           "axes of space, such as [H, W], along each of which a sample is mirrored with "
           "probability 1/2; [W] is horizontal_flip")
      .each_of({"D", "H", "W"})
      .empty_is("[]")
      .for_older_runs("[]");
  section
      .choice(
          "cache", data.cache, words_of(data.cache),
          "memory: decode the data (of fixed sections: the node's own) once; stream: read chunk "
          "by chunk; auto: memory if that fits in half of the free memory")
      .may_change();
  section
      .choice("order", data.order, words_of(data.order),
              "global: every batch draws from all samples, so every node reads all data; sections: "
              "each replica draws from its own part of them, so a node reads the parts of its own "
              "replicas; auto: global if all data fits in the memory of every node, else sections; "
              "decided at the first start")
      .for_older_runs("global");
  section
      .choice("sections", data.sections, words_of(data.sections),
              "order sections: epoch: chunks are dealt anew every epoch; fixed: once, so that each "
              "node can keep its own part in memory; auto: fixed if that part fits in half of the "
              "free memory of every node; decided at the first start")
      .counts_when("data.order is sections or auto",
                   [&data] { return data.order != Order::global; })
      .for_older_runs("epoch");
  section
      .key("shuffle_window_chunks", data.shuffle_window_chunks,
           "number of chunks shuffled together; 0: shuffle all samples; auto: 0 for data in "
           "memory, else as many as fit in 64 MiB; with sections: chunks of one section, 0: the "
           "whole section, auto: as many as fit in 64 MiB / R, at least 2; decided at the first "
           "start")
      .at_least(0)
      .empty_is("auto");
  section.key("prefetch_batches", data.prefetch_batches, "batches read ahead of the step")
      .at_least(1)
      .at_most(10000)
      .may_change();
  section
      .key("reader_threads", data.reader_threads,
           "threads per rank that read and decode data, and prepare batches for a GPU")
      .at_least(1)
      .at_most(1024)
      .empty_is("auto")
      .may_change();
}

}  // namespace vae_dist::config
