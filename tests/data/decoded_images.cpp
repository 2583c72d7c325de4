// Reads a dataset as a run does and writes out what it reads, for tests that compare it with the
// result of another reader:
//   decoded_images [--integers D] [--dataset D] [--layout L] [--rows A:B] [--split S] [--crop N]
//   [--resize N] [--stream] [--threads N] [--scale X] [--annotation D] [--plain nothing | deviation
//   | range] [--transform T]... [--random-crop S]... [--flip AXES] [--epoch E] OUT.bin FILE...
// --dataset and --transform may be repeated. With --plain the values are numbers of any range, and
// what is written is what the model sees of them: [N, C, space...] as float64, normalised by that.
// With
// --random-crop, once for each axis of space, it is what a training step sees: all samples as one
// batch of this epoch, in its order, which the JSON object gives as "order".
// OUT.bin receives all images in order or, with --annotation, the rows of that dataset for these
// images, as float64 (--integers: as int64); its names go to stderr. A JSON object on stdout says
// what was found and how many chunks were decoded.
#include <fstream>
#include <iostream>
#include <numeric>

#include "base/descriptor_limit.hpp"
#include "base/error.hpp"
#include "data/annotation_rows.hpp"
#include "data/batch_maker.hpp"
#include "data/channel_statistics.hpp"
#include "data/model_input.hpp"

using namespace vae_dist;
using namespace vae_dist::data;

namespace {

// Returns what the model sees of the samples, in their order.
std::vector<double> as_model_sees(SampleDataset& dataset,
                                  const std::vector<std::string>& transforms, const std::string& by,
                                  std::int64_t threads, BatchPlan plan, std::int64_t epoch,
                                  std::vector<std::int64_t>& order) {
  const auto self = comm::make_self_communicator();
  const Normalisation numbers =
      normalisation_of(channel_statistics(dataset, transforms, *self, threads), transforms,
                       by == "deviation" ? NormaliseBy::deviation
                       : by == "range"   ? NormaliseBy::range
                                         : NormaliseBy::nothing);
  dataset.normalise(numbers);
  InputFormat format;
  format.shape = dataset.shape();
  format.layout = dataset.layout();
  format.pixels = dataset.type();
  format.type = at::kDouble;
  format.channels_last = false;
  format.normaliser =
      std::make_shared<Normaliser>(numbers, format.shape.space.size() + 2, c10::kCPU, at::kDouble);
  std::vector<double> out;
  if (dataset.crops()) {
    plan.global_batch = plan.count = dataset.size();
    const Batch batch = make_batch(dataset, plan, epoch, 0);
    order = batch.samples;
    const at::Tensor x = model_input(batch.pixels, format);
    return {x.const_data_ptr<double>(), x.const_data_ptr<double>() + x.numel()};
  }
  std::vector<std::uint8_t> sample(dataset.image_bytes());
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    dataset.read(i, sample);
    const at::Tensor x = model_input(sample, format);
    out.insert(out.end(), x.const_data_ptr<double>(), x.const_data_ptr<double>() + x.numel());
  }
  return out;
}

std::string sizes_text(const arrays::SampleShape& shape) {
  std::string out = base::text(shape.channels);
  for (const std::int64_t size : shape.space) out += base::text(", ", size);
  return out;
}

int run(const std::vector<std::string>& arguments) {
  SampleSource source;
  std::string out, annotation, integers, plain;
  std::vector<std::string> transforms;
  std::vector<std::int64_t> order;
  BatchPlan plan;
  std::int64_t epoch = 0;
  plan.seed = 7;
  bool stream = false;
  std::int64_t threads = 1;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& name = arguments[i];
    if (name == "--stream") {
      stream = true;
    } else if (name.starts_with("--")) {
      const std::string& value = arguments.at(++i);
      if (name == "--dataset") source.datasets.push_back(value);
      if (name == "--plain") plain = value;
      if (name == "--random-crop") source.random_crop.push_back(std::stoll(value));
      if (name == "--flip") plan.flips = value;
      if (name == "--epoch") epoch = std::stoll(value);
      if (name == "--transform") transforms.push_back(value);
      if (name == "--layout") source.layout = value;
      if (name == "--annotation") annotation = value;
      if (name == "--integers") annotation = integers = value;
      if (name == "--scale") source.scale = std::stod(value);
      if (name == "--split") source.split = value;
      if (name == "--crop") source.geometry.crop = std::stoll(value);
      if (name == "--resize") source.geometry.resize = std::stoll(value);
      if (name == "--threads") threads = std::stoll(value);
      if (name == "--rows")
        source.rows = {std::stoll(value), std::stoll(value.substr(value.find(':') + 1))};
    } else if (out.empty()) {
      out = name;
    } else {
      source.files.push_back(name);
    }
  }
  base::raise_descriptor_limit();
  source.plain = !plain.empty();
  if (transforms.empty()) transforms = {"none"};
  SampleDataset dataset = SampleDataset::open(source);
  if (!stream) {
    const auto self = comm::make_self_communicator();
    dataset.cache(*self, *self, {.threads = threads});
  }
  dataset.scale();
  std::ofstream file(out, std::ios::binary);
  std::vector<std::uint8_t> image;
  if (!integers.empty()) {
    std::vector<std::int64_t> samples(static_cast<std::size_t>(dataset.size()));
    std::iota(samples.begin(), samples.end(), 0);
    const AnnotationRows<std::int64_t> rows = read_annotation_integers(dataset, integers, samples);
    file.write(reinterpret_cast<const char*>(rows.values.data()),
               static_cast<std::streamsize>(rows.values.size() * sizeof(std::int64_t)));
  } else if (!annotation.empty()) {
    const AnnotationRows<double> rows = read_annotation(dataset, annotation);
    file.write(reinterpret_cast<const char*>(rows.values.data()),
               static_cast<std::streamsize>(rows.values.size() * sizeof(double)));
    for (const std::string& name : rows.names) std::cerr << name << "\n";
  }
  if (source.plain) {
    const std::vector<double> values =
        as_model_sees(dataset, transforms, plain, threads, plan, epoch, order);
    file.write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(double)));
  }
  for (std::int64_t i = 0; annotation.empty() && !source.plain && i < dataset.size(); ++i) {
    image.resize(dataset.image_bytes());
    dataset.read(i, image);
    file.write(reinterpret_cast<const char*>(image.data()),
               static_cast<std::streamsize>(image.size()));
  }
  std::string annotations;
  for (const hdf5::Hdf5Dataset& d : dataset.annotations())
    annotations += base::text(annotations.empty() ? "\"" : ", \"", d.path(), "\"");
  std::string doubts;
  for (const std::string& doubt : dataset.doubts())
    doubts += base::text(doubts.empty() ? "\"" : ", \"", doubt, "\"");
  std::string places;
  for (const std::int64_t sample : order) places += base::text(places.empty() ? "" : ", ", sample);
  std::cout << "{\"order\": [" << places << "], \"doubts\": [" << doubts
            << "], \"images\": " << dataset.size() << ", \"layout\": \"" << dataset.layout().text()
            << "\", \"shape\": [" << sizes_text(dataset.shape()) << "], \"type\": \""
            << (dataset.type() == arrays::PixelType::uint8 ? "uint8" : "float32")
            << "\", \"scale\": " << dataset.scale()
            << ", \"chunks_decoded\": " << dataset.rows().chunks_decoded()
            << ", \"fingerprint\": \"" << dataset.fingerprint() << "\", \"annotations\": ["
            << annotations << "], \"description\": \"" << dataset.description() << "\"}\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return static_cast<int>(base::exit_code(error));
  }
}
