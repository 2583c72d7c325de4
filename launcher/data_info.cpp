#include <ATen/ATen.h>

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/digits.hpp"
#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "base/utf8.hpp"
#include "data/sample_dataset.hpp"
#include "datasets/channel_summary.hpp"
#include "datasets/file_description.hpp"
#include "input/look_at_data.hpp"
#include "launcher/data_verbs.hpp"
#include "report/sample_pictures.hpp"

namespace vae_dist::launcher {
namespace {

// Images are small; of fields as many are shown as have so many channels in all, within limits.
constexpr std::int64_t kImages = 64, kChannelsShown = 32, kFewest = 8, kMost = 16;
// Statistics of larger files are those of evenly spaced samples, unless all are wanted.
constexpr std::uint64_t kQuickBytes = std::uint64_t{256} << 20;
constexpr std::size_t kMostListed = 32;
constexpr int kMostHistograms = 8, kHistogramsAcross = 4, kHistogramWidth = 190,
              kHistogramHeight = 96;

struct InfoOptions {
  std::string file, picture, json;
  data::SampleSource source;
  bool all = false;
};

plot::Panel histogram(const datasets::ChannelSummary& channel) {
  plot::Panel out;
  out.width = kHistogramWidth;
  out.height = kHistogramHeight;
  out.x = {channel.bars_from, channel.bars_to};
  out.bars.assign(channel.histogram.begin(), channel.histogram.end());
  // The axis begins below 1, so that a single value is seen.
  out.y = {0.5, 1.5 * std::max(2.0, *std::max_element(out.bars.begin(), out.bars.end()))};
  out.logarithmic_y = true;
  out.x_ticks = out.y_ticks = true;
  return out;
}

std::vector<plot::PanelSection> histograms(const datasets::FileSummary& summary,
                                           const std::vector<std::string>& names,
                                           const std::string& over) {
  std::vector<plot::PanelSection> out;
  for (std::size_t c = 0; c < std::min<std::size_t>(summary.channels.size(), kMostHistograms);
       ++c) {
    if (summary.channels[c].histogram.empty()) continue;
    if (out.empty() || out.back().columns == kHistogramsAcross) {
      out.emplace_back().columns = 0;
      if (out.size() == 1)
        out.back().heading = base::text("Number of values, ", over, " (logarithmic)");
    }
    ++out.back().columns;
    out.back().panels.push_back(histogram(summary.channels[c]));
    out.back().column_labels.push_back(names[c]);
  }
  return out;
}

// What the file holds, as far as the picture, the text and the JSON need it.
struct Contents {
  datasets::FileSummary summary;
  std::vector<std::string> names, units;  // of each channel of the summary
  std::string over;                       // which samples the summary is of
};

std::vector<std::string> labels_of(const Contents& contents) {
  std::vector<std::string> out = contents.names;
  for (std::size_t c = 0; c < out.size(); ++c)
    if (!contents.units[c].empty()) out[c] += base::text(" (", contents.units[c], ")");
  return out;
}

// How the file is read, and the samples that are drawn of it.
struct Reading {
  data::SampleDataset dataset;
  std::string text = {};
  nlohmann::ordered_json json = {};
  bool images = false;
  at::Tensor shown = {};
};

Reading read_as(const data::SampleSource& source, bool has_gaps) {
  Reading out{.dataset = input::open_for_a_look(source, has_gaps)};
  const data::SampleDataset& dataset = out.dataset;
  const std::int64_t channels = dataset.shape().channels;
  out.images = !dataset.is_plain() && arrays::is_grey_or_colour(channels);
  const std::int64_t parts = dataset.shape().space.empty() ? 1 : channels,
                     fields = dataset.shape().space.size() == 3
                                  ? kFewest
                                  : std::clamp(kChannelsShown / parts, kFewest, kMost);
  out.shown = input::spaced_samples(
      dataset, std::min(out.images ? kImages : fields, dataset.size()), out.images);
  out.text = datasets::reading_of(dataset);
  out.json = datasets::reading_json(dataset);
  return out;
}

void write_picture(const Reading& reading, const Contents& contents, const std::string& path) {
  // Fields are shown in the units of the file.
  report::Showing showing{.channels = labels_of(contents)};
  if (reading.images) showing.range = plot::Range{0, 1};
  const data::SampleDataset& dataset = reading.dataset;
  const std::int64_t shown = reading.shown.size(0);
  const bool gaps = reading.shown.isnan().any().item<bool>();
  plot::PanelSheet sheet;
  sheet.title = dataset.description();
  sheet.subtitle = base::text(
      shown < dataset.size() ? base::text(shown, " ", dataset.shape().plural(), ", evenly spaced")
                             : base::text("all ", dataset.shape().plural()),
      !gaps                               ? ""
      : dataset.shape().space.size() >= 2 ? "; missing values are grey"
                                          : "; missing values are gaps");
  sheet.sections = {report::sample_section(reading.shown, {}, showing)};
  for (plot::PanelSection& section :
       histograms(contents.summary, labels_of(contents), contents.over))
    sheet.sections.push_back(std::move(section));
  plot::write_panel_sheet(path, sheet);
}

// A name and units for each channel of the summary.
Contents contents_of(const data::SampleDataset& dataset, bool all) {
  Contents out;
  out.summary = datasets::summarise(dataset.rows(), all ? UINT64_MAX : kQuickBytes);
  out.over = out.summary.samples < dataset.rows().rows()
                 ? base::text("of ", out.summary.samples,
                              " evenly spaced samples (--all reads all of them)")
                 : "of all samples";
  out.names = report::channel_names(dataset.stored_arrays());
  out.units = report::channel_units(dataset.stored_arrays());
  for (std::size_t c = out.names.size(); c < out.summary.channels.size(); ++c)
    out.names.push_back(base::text("channel ", c));
  out.units.resize(out.names.size());
  return out;
}

bool has_missing(const datasets::FileSummary& summary) {
  return std::any_of(summary.channels.begin(), summary.channels.end(),
                     [](const auto& channel) { return channel.missing > 0; });
}

bool has_gaps(const datasets::FileSummary& summary) {
  return has_missing(summary) ||
         std::any_of(summary.channels.begin(), summary.channels.end(),
                     [](const auto& channel) { return channel.not_finite > 0; });
}

std::string statistics_text(const Contents& contents) {
  const datasets::FileSummary& summary = contents.summary;
  const std::vector<std::string> names = labels_of(contents);
  const std::size_t listed = std::min(summary.channels.size(), kMostListed);
  std::size_t widest = 0;
  for (std::size_t c = 0; c < listed; ++c) widest = std::max(widest, names[c].size());
  std::ostringstream out;
  const auto row = [&](const std::string& name, const std::vector<std::string>& cells) {
    out << "  " << std::left << std::setw(static_cast<int>(widest)) << name << std::right;
    for (const std::string& cell : cells) out << std::setw(14) << cell;
    out << "\n";
  };
  out << "values as they are stored, " << contents.over << ":\n";
  std::vector<std::string> titles = {"least",     "largest", "mean",
                                     "deviation", "zeros",   "not finite"};
  const bool missing = has_missing(summary);
  if (missing) titles.emplace_back("missing");
  row("", titles);
  for (std::size_t c = 0; c < listed; ++c) {
    const datasets::ChannelSummary& channel = summary.channels[c];
    const auto share = [&](std::int64_t count) {
      return base::digits(static_cast<double>(count) / static_cast<double>(channel.values), 6);
    };
    std::vector<std::string> cells = {
        base::digits(channel.least, 7), base::digits(channel.largest, 7),
        base::digits(channel.mean, 7),  base::digits(channel.deviation, 7),
        share(channel.zeros),           share(channel.not_finite)};
    if (missing) cells.push_back(share(channel.missing));
    row(names[c], cells);
  }
  if (listed < summary.channels.size())
    out << "  and " << summary.channels.size() - listed << " more channels\n";
  return out.str();
}

nlohmann::ordered_json statistics_json(const Contents& contents) {
  nlohmann::ordered_json out = {{"samples", contents.summary.samples}};
  for (std::size_t c = 0; c < contents.summary.channels.size(); ++c) {
    const datasets::ChannelSummary& channel = contents.summary.channels[c];
    nlohmann::ordered_json each = {{"name", contents.names[c]}};
    if (!contents.units[c].empty()) each["units"] = contents.units[c];
    each.update(
        {{"values", channel.values},
         {"least", channel.least},
         {"largest", channel.largest},
         {"mean", channel.mean},
         {"deviation", channel.deviation},
         {"zeros", channel.zeros},
         {"not_finite", channel.not_finite},
         {"missing", channel.missing},
         {"histogram",
          {{"from", channel.bars_from}, {"to", channel.bars_to}, {"counts", channel.histogram}}}});
    out["channels"].push_back(std::move(each));
  }
  return out;
}

void show_info(const InfoOptions& options) {
  data::SampleSource source = options.source;
  source.files = {options.file};
  const hdf5::Hdf5File file = hdf5::Hdf5File::open(options.file);
  // Lists the datasets even if no image dataset can be identified.
  std::cout << datasets::datasets_of(file);
  // Statistics need no scale, and say how the file has to be read.
  data::SampleSource plain = source;
  plain.plain = true;
  const data::SampleDataset stored = data::SampleDataset::open(plain);
  const Contents contents = contents_of(stored, options.all);
  std::cout << statistics_text(contents) << std::flush;
  // Sparse rows cannot have gaps; what is wrong with them is an error.
  const bool may_have_gaps = !stored.rows().packs(),
             gaps = may_have_gaps && has_gaps(contents.summary);
  const Reading reading = [&] {
    try {
      return read_as(source, gaps);
    } catch (const base::Failure&) {
      // The first gap may lie in samples that the statistics leave out.
      if (gaps || !may_have_gaps) throw;
      return read_as(source, true);
    }
  }();
  std::cout << reading.text;
  if (!options.json.empty()) {
    nlohmann::ordered_json all = {{"file", options.file}};
    all.update(datasets::datasets_json(file));
    all["statistics"] = statistics_json(contents);
    all["read_as"] = reading.json;
    base::replace_file(options.json, base::json_text(all, 2) + "\n");
  }
  if (options.picture.empty()) return;
  write_picture(reading, contents, options.picture);
  std::cout << "a picture of " << reading.dataset.shape().plural() << " and histograms is in "
            << options.picture << "\n";
}

}  // namespace

void add_data_info(CLI::App& data, VerbContext& context) {
  auto options = std::make_shared<InfoOptions>();
  CLI::App* verb = data.add_subcommand(
      "info",
      "Show what an HDF5 file holds, the statistics of its channels, how its samples are read, and "
      "whether to convert it");
  verb->add_option("file", options->file, "HDF5 file")->type_name(completion::kFile)->required();
  verb->add_option("--dataset", options->source.datasets,
                   "Path of the dataset, if there are several candidates; several are the channels")
      ->expected(1, -1)
      ->delimiter(',');
  verb->add_option("--layout", options->source.layout,
                   "auto, or a letter for each axis, such as NHWC: N samples, C channels, D H W "
                   "space, V values of a vector")
      ->check([](const std::string& word) {
        const std::string why = arrays::why_not_a_layout(word);
        return why.empty() ? std::string() : base::text("the layout ", word, " ", why);
      })
      ->capture_default_str();
  context.files.add_inputs(*verb, path_of(options->file));
  context.files.add_output(
      *verb, "--out,--picture", options->picture,
      "PNG file for a picture of evenly spaced samples (64 images, or 8 to 16 of any "
      "other shape) and a histogram of each channel");
  context.files.add_output(*verb, "--json", options->json,
                           "Also write all of this, with the histograms, to this file");
  verb->add_flag("--all", options->all,
                 "Statistics and histograms of all samples, however large the file is (default: of "
                 "evenly spaced ones from 256 MiB on)");
  verb->footer("Example:\n  vae_dist data info shapes.h5 --out shapes.png");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [options] { show_info(*options); });
  });
}

}  // namespace vae_dist::launcher
