#include "report/sample_pictures.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.hpp"
#include "evaluate/model_pictures.hpp"
#include "plot/drawn_picture.hpp"

namespace vae_dist::report {
namespace {

// Of more channels, and more rows, the first are shown.
constexpr std::int64_t kMostChannels = 8, kMostRows = 48;
constexpr std::int64_t kPanelsAcross = 8, kSlicesAcross = 12;
// Small fields are magnified to about this size; large ones shrink to the other.
constexpr std::int64_t kTypicalPanel = 104, kLargestPanel = 256;
constexpr int kCurveHeight = 72, kCurvesAcross = 840;

std::optional<plot::Range> known_range(const at::Tensor& values) {
  const at::Tensor known = values.masked_select(values.isfinite());
  if (known.numel() == 0) return std::nullopt;
  return plot::Range{known.min().item<double>(), known.max().item<double>()};
}

// Returns what stands behind the last '/'.
std::string last_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

plot::Picture coloured(const at::Tensor& field, const plot::ColourScale& scale) {
  const at::Tensor values = field.to(at::kDouble).contiguous();
  plot::Picture out{static_cast<int>(values.size(0)), static_cast<int>(values.size(1)), 3, {}};
  const double* value = values.const_data_ptr<double>();
  out.pixels.reserve(static_cast<std::size_t>(values.numel()) * 3);
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    const plot::Rgb colour = scale(value[i]);
    out.pixels.insert(out.pixels.end(), {colour.red, colour.green, colour.blue});
  }
  return out;
}

std::string heading_of_first(std::int64_t shown, std::int64_t all) {
  return shown < all ? base::text("the first ", shown, " of ", all) : std::string();
}

plot::PanelSection image_section(const at::Tensor& samples, const Showing& showing) {
  plot::PanelSection out;
  for (const plot::Picture& picture : pictures_of(samples, *showing.range)) {
    plot::Panel panel;
    panel.picture = plot::drawn_picture(picture);
    if (const int longest = std::max(picture.height, picture.width); longest > kLargestPanel)
      panel.picture = plot::shrunk_picture(
          panel.picture, static_cast<int>((longest + kLargestPanel - 1) / kLargestPanel));
    panel.magnification = plot::grid_magnification(panel.picture.height, panel.picture.width);
    out.panels.push_back(std::move(panel));
  }
  out.columns = std::min<int>(kPanelsAcross, static_cast<int>(out.panels.size()));
  return out;
}

plot::PanelSection curve_section(const at::Tensor& samples, const at::Tensor& paired,
                                 const FieldPanels& fields) {
  const std::int64_t channels = fields.channels(),
                     at_once = std::clamp<std::int64_t>(4 / channels, 1, samples.size(0)),
                     width = std::max<std::int64_t>(160, kCurvesAcross / (at_once * channels));
  plot::PanelSection out;
  out.columns = static_cast<int>(at_once * channels);
  name_curves(out, fields);
  const std::int64_t shown = std::min(samples.size(0), kMostRows * at_once);
  out.heading = heading_of_first(shown, samples.size(0));
  for (std::int64_t first = 0; first < shown; first += at_once) {
    const std::int64_t count = std::min(at_once, shown - first);
    at::Tensor row = samples.narrow(0, first, count);
    if (paired.defined()) row = at::cat({row, paired.narrow(0, first, count)});
    for (std::int64_t i = 0; i < count; ++i)
      for (std::int64_t c = 0; c < channels; ++c) {
        plot::Panel panel = fields.frame(row, c, static_cast<int>(width));
        fields.draw(panel, row[i], c, paired.defined() ? kFirstCurve : kOnlyCurve,
                    paired.defined() ? 2.5 : 1.25);
        if (paired.defined()) fields.draw(panel, row[count + i], c, kSecondCurve);
        panel.y_ticks = channels > 1 || i == 0;
        panel.x_ticks = first + i + at_once >= shown;
        out.panels.push_back(std::move(panel));
      }
  }
  return out;
}

plot::PanelSection field_section(const at::Tensor& samples, const at::Tensor& paired,
                                 const FieldPanels& fields) {
  const auto views = static_cast<std::int64_t>(fields.views().size());
  const std::int64_t kinds = paired.defined() ? 2 : 1,
                     across = samples.dim() == 5 ? kSlicesAcross : kPanelsAcross,
                     at_once = std::clamp<std::int64_t>(across / views, 1, samples.size(0));
  plot::PanelSection out;
  out.columns = static_cast<int>(at_once * views);
  out.rows_together = static_cast<int>(kinds);
  for (std::int64_t i = 0; i < at_once; ++i) {
    const std::int64_t slices = views / fields.channels();
    // Slices of a channel stand together; channels without slices are kept together by sample.
    if (slices > 1)
      for (std::int64_t c = 0; c < fields.channels(); ++c)
        out.groups.push_back({fields.name(c), static_cast<int>(slices)});
    else if (views > 1)
      out.groups.push_back({"", static_cast<int>(views)});
    for (const PanelView& view : fields.views())
      out.column_labels.push_back(slices > 1 ? view.slice : views > 1 ? fields.name(view) : "");
  }
  std::int64_t shown = std::min(samples.size(0), kMostRows / kinds * at_once);
  // Only a whole row has the others right below.
  if (paired.defined()) shown -= shown % at_once;
  out.heading = heading_of_first(shown, samples.size(0));
  for (std::int64_t first = 0; first < shown; first += at_once) {
    const std::int64_t count = std::min(at_once, shown - first);
    for (std::int64_t kind = 0; kind < kinds; ++kind)
      for (std::int64_t i = first; i < first + count; ++i)
        for (const PanelView& view : fields.views())
          out.panels.push_back(fields.panel((kind == 0 ? samples : paired)[i], view));
    if (paired.defined()) out.row_labels.insert(out.row_labels.end(), {"input", "output"});
  }
  out.bars = fields.bars();
  return out;
}

}  // namespace

bool Showing::as_images(const at::Tensor& samples) const {
  return range && samples.dim() == 4 && arrays::is_grey_or_colour(samples.size(1));
}

std::vector<std::string> channel_names(const std::vector<data::StoredArray>& arrays) {
  std::set<std::string> last;
  for (const data::StoredArray& array : arrays) last.insert(last_name(array.name));
  std::vector<std::string> out;
  for (const data::StoredArray& array : arrays) {
    // Where two datasets in different groups have one name, the path tells them apart.
    const std::string name = last.size() == arrays.size() ? last_name(array.name) : array.name;
    const bool vector = array.axes.find('V') != std::string::npos;
    if (vector && arrays.size() > 1) return {"values"};
    if (vector || array.channels == 1)
      out.push_back(name);
    else
      for (std::int64_t c = 0; c < array.channels; ++c) out.push_back(base::text(name, " ", c));
  }
  return out;
}

std::vector<std::string> channel_units(const std::vector<data::StoredArray>& arrays) {
  std::vector<std::string> out;
  for (const data::StoredArray& array : arrays) {
    const bool vector = array.axes.find('V') != std::string::npos;
    out.insert(out.end(), vector ? 1 : static_cast<std::size_t>(array.channels), array.units);
  }
  // Of vectors from several datasets, all values are one channel.
  const std::size_t names = channel_names(arrays).size();
  if (names < out.size()) {
    const bool same = std::equal(out.begin() + 1, out.end(), out.begin());
    out = {same ? out.front() : std::string()};
  }
  return out;
}

std::vector<std::string> channel_labels(const std::vector<data::StoredArray>& arrays) {
  std::vector<std::string> out = channel_names(arrays);
  const std::vector<std::string> units = channel_units(arrays);
  for (std::size_t c = 0; c < out.size(); ++c)
    if (!units[c].empty()) out[c] += base::text(" (", units[c], ")");
  return out;
}

Showing showing_of(const std::shared_ptr<const data::Normaliser>& normaliser, double low,
                   double high, const std::vector<data::StoredArray>& arrays) {
  if (!normaliser) return {.range = plot::Range{low, high}, .channels = channel_names(arrays)};
  return {.normaliser = normaliser, .channels = channel_labels(arrays)};
}

Showing showing_of(const data::InputFormat& format, const data::SampleDataset& dataset) {
  std::shared_ptr<const data::Normaliser> on_cpu;
  if (format.normaliser)
    on_cpu = std::make_shared<data::Normaliser>(
        format.normaliser->numbers(), format.shape.space.size() + 2, c10::kCPU, at::kFloat);
  return showing_of(on_cpu, format.low, format.high, dataset.stored_arrays());
}

std::vector<plot::Picture> pictures_of(const at::Tensor& images, plot::Range shades) {
  std::vector<plot::Picture> out;
  for (auto& bytes : evaluate::image_bytes(images, shades.low, shades.high))
    out.push_back({static_cast<int>(images.size(2)), static_cast<int>(images.size(3)),
                   static_cast<int>(images.size(1)), std::move(bytes)});
  return out;
}

at::Tensor shown_values(const at::Tensor& samples, const Showing& showing) {
  const at::Tensor values = samples.detach().to(at::kCPU, at::kFloat);
  if (!showing.normaliser) return values;
  const auto sizes = values.sizes().vec();
  // All axes before those of a sample are samples.
  const auto axes = showing.normaliser->axes() - 1;
  return showing.normaliser->undo(values.flatten(0, values.dim() - axes - 1)).reshape(sizes);
}

FieldPanels::FieldPanels(const at::Tensor& values, const Showing& showing)
    : curves_(values.dim() <= 3) {
  const std::int64_t channels = values.dim() == 2 ? 1 : std::min(values.size(1), kMostChannels);
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto place = static_cast<std::size_t>(c);
    names_.push_back(place < showing.channels.size() ? showing.channels[place]
                     : channels > 1                  ? base::text("channel ", c)
                                                     : std::string());
    const std::optional<plot::Range> range =
        showing.range ? showing.range
                      : known_range(values.dim() == 2 ? values : values.select(1, c));
    scales_.push_back(plot::colour_scale(range.value_or(plot::Range{})));
    if (values.dim() == 5) {
      for (std::int64_t axis = 0; axis < 3; ++axis)
        views_.push_back({c, axis, base::text("across ", "DHW"[axis])});
    } else {
      views_.push_back({c, -1, ""});
    }
  }
}

std::string FieldPanels::name(const PanelView& view) const {
  const std::string& channel = channels() > 1 ? name(view.channel) : std::string();
  return channel + (channel.empty() || view.slice.empty() ? "" : " ") + view.slice;
}

at::Tensor FieldPanels::channel_of(const at::Tensor& sample, std::int64_t channel) const {
  return sample.dim() == 1 ? sample : sample[channel];
}

plot::Panel FieldPanels::panel(const at::Tensor& sample, const PanelView& view) const {
  at::Tensor field = channel_of(sample, view.channel);
  if (view.axis >= 0) field = field.select(view.axis, field.size(view.axis) / 2);
  plot::Panel out;
  out.picture = coloured(field, scales_.at(view.channel));
  // All views of a sample are magnified alike.
  const std::int64_t longest = *std::max_element(sample.sizes().begin() + 1, sample.sizes().end());
  if (longest > kLargestPanel)
    out.picture = plot::shrunk_picture(
        out.picture, static_cast<int>((longest + kLargestPanel - 1) / kLargestPanel));
  out.magnification = static_cast<int>(std::max<std::int64_t>(
      1, std::lround(static_cast<double>(kTypicalPanel) / static_cast<double>(longest))));
  return out;
}

plot::Panel FieldPanels::frame(const at::Tensor& samples, std::int64_t channel, int width) const {
  const at::Tensor values = samples.dim() == 2 ? samples : samples.select(1, channel);
  plot::Panel out;
  out.width = width;
  out.height = kCurveHeight;
  out.x = {0, std::max(1.0, static_cast<double>(values.size(1) - 1))};
  out.y = plot::padded(known_range(values).value_or(plot::Range{}), false);
  return out;
}

void FieldPanels::draw(plot::Panel& frame, const at::Tensor& sample, std::int64_t channel,
                       plot::Rgb colour, double width) const {
  const at::Tensor values = channel_of(sample, channel).to(at::kDouble).contiguous();
  const double* first = values.const_data_ptr<double>();
  frame.curves.push_back({{first, first + values.numel()}, colour, width});
}

std::vector<plot::ColourBar> FieldPanels::bars() const {
  std::vector<plot::ColourBar> out;
  for (std::size_t c = 0; c < scales_.size(); ++c) out.push_back({names_[c], scales_[c]});
  return out;
}

void name_curves(plot::PanelSection& section, const FieldPanels& fields) {
  const auto channels = static_cast<int>(fields.channels());
  if (channels == 1) {
    section.groups = {{fields.name(0), section.columns}};
    return;
  }
  for (int column = 0; column < section.columns; ++column) {
    if (column % channels == 0) section.groups.push_back({"", channels});
    section.column_labels.push_back(fields.name(column % channels));
  }
}

plot::PanelSection sample_section(const at::Tensor& samples, const at::Tensor& paired,
                                  const Showing& showing) {
  if (showing.as_images(samples)) return image_section(samples, showing);
  const at::Tensor values = shown_values(samples, showing),
                   others = paired.defined() ? shown_values(paired, showing) : paired;
  const FieldPanels fields(values, showing);
  return fields.curves() ? curve_section(values, others, fields)
                         : field_section(values, others, fields);
}

}  // namespace vae_dist::report
