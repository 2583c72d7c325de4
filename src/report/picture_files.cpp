#include "report/picture_files.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <iomanip>

#include "base/digits.hpp"
#include "base/text.hpp"
#include "evaluate/evaluation_report.hpp"
#include "plot/image_grid.hpp"

namespace vae_dist::report {
namespace {

constexpr int kColumns = 8;
constexpr int kWalkWidth = 840, kNarrowestPanel = 200;
// A sheet of fields has at most about this many rows of panels.
constexpr std::int64_t kMostWalkRows = 48;

// Walks of fields: one after the other, the steps across.
struct FieldWalks {
  at::Tensor steps = {};                 // [walks, steps, C, space...], the model's values
  std::vector<std::string> places = {};  // of the steps, for the columns
  std::vector<std::string> names = {};   // of the walks; empty: none
  std::vector<double> positions = {};    // of the steps, for the colours of curves; NaN: an input
  std::string position = {};             // what they are
};

// Curves of one walk lie in one panel, coloured by their position.
plot::PanelSection curve_walks(const at::Tensor& values, const FieldWalks& walks,
                               const FieldPanels& fields) {
  std::vector<double> known;
  for (const double position : walks.positions)
    if (!std::isnan(position)) known.push_back(position);
  const auto [low, high] = std::minmax_element(known.begin(), known.end());
  const plot::ColourScale colours{plot::ColourMap::lines, {*low, *high}};
  plot::PanelSection out;
  out.columns = static_cast<int>(fields.channels());
  out.row_labels = walks.names;
  const std::int64_t shown = std::min(values.size(0), kMostWalkRows);
  if (shown < values.size(0)) out.heading = base::text("the first ", shown, " of ", values.size(0));
  for (std::int64_t walk = 0; walk < shown; ++walk)
    for (std::int64_t c = 0; c < fields.channels(); ++c) {
      if (walk == 0) out.column_labels.push_back(fields.name(c));
      plot::Panel panel =
          fields.frame(values[walk], c,
                       std::max(kNarrowestPanel, kWalkWidth / static_cast<int>(fields.channels())));
      for (const bool input : {true, false})
        for (std::size_t step = 0; step < walks.positions.size(); ++step)
          if (std::isnan(walks.positions[step]) == input)
            fields.draw(panel, values[walk][static_cast<std::int64_t>(step)], c,
                        input ? kFirstCurve : colours(walks.positions[step]), input ? 2.5 : 1.25);
      panel.y_ticks = true;
      panel.x_ticks = walk + 1 == shown;
      out.panels.push_back(std::move(panel));
    }
  out.bars = {{walks.position, colours}};
  return out;
}

plot::PanelSection field_walks(const at::Tensor& values, const FieldWalks& walks,
                               const FieldPanels& fields) {
  const std::vector<PanelView>& views = fields.views();
  plot::PanelSection out;
  out.columns = static_cast<int>(values.size(1));
  out.column_labels = walks.places;
  out.rows_together = static_cast<int>(views.size());
  const std::int64_t shown =
      std::min(values.size(0),
               std::max<std::int64_t>(1, kMostWalkRows / static_cast<std::int64_t>(views.size())));
  if (shown < values.size(0)) out.heading = base::text("the first ", shown, " of ", values.size(0));
  for (std::int64_t walk = 0; walk < shown; ++walk)
    for (std::size_t v = 0; v < views.size(); ++v) {
      const std::string view = fields.name(views[v]);
      // The walk's own name stands before the first of its rows.
      const std::string own =
          v == 0 && !walks.names.empty() ? walks.names.at(static_cast<std::size_t>(walk)) : "";
      out.row_labels.push_back(own + (own.empty() || view.empty() ? "" : "   ") + view);
      for (std::int64_t step = 0; step < values.size(1); ++step)
        out.panels.push_back(fields.panel(values[walk][step], views[v]));
    }
  out.bars = fields.bars();
  return out;
}

// Curves in rows under each other: [rows, samples, C, W], of which as many samples are shown as
// fit.
plot::PanelSection curve_rows(const at::Tensor& values, const std::vector<std::string>& names,
                              const FieldPanels& fields) {
  const std::int64_t channels = fields.channels(),
                     shown = std::clamp<std::int64_t>(4 / channels, 1, values.size(1));
  plot::PanelSection out;
  out.columns = static_cast<int>(shown * channels);
  out.row_labels = names;
  name_curves(out, fields);
  for (std::int64_t row = 0; row < values.size(0); ++row)
    for (std::int64_t sample = 0; sample < shown; ++sample)
      for (std::int64_t c = 0; c < channels; ++c) {
        plot::Panel panel = fields.frame(values.narrow(1, 0, shown).flatten(0, 1), c,
                                         kWalkWidth / static_cast<int>(shown * channels));
        fields.draw(panel, values[row][sample], c, kOnlyCurve);
        panel.y_ticks = channels > 1 || sample == 0;
        panel.x_ticks = row + 1 == values.size(0);
        out.panels.push_back(std::move(panel));
      }
  return out;
}

plot::PanelSection walk_section(const FieldWalks& walks, const Showing& showing) {
  const at::Tensor values = shown_values(walks.steps, showing);
  const FieldPanels fields(values.flatten(0, 1), showing);
  return fields.curves() ? curve_walks(values, walks, fields) : field_walks(values, walks, fields);
}

}  // namespace

void write_sample_grid(const std::filesystem::path& path, const at::Tensor& images,
                       const Showing& showing, const std::string& title) {
  if (!showing.as_images(images))
    return plot::write_panel_sheet(
        path, {.title = title, .sections = {sample_section(images, {}, showing)}});
  plot::GridOptions options;
  options.title = title;
  options.columns = kColumns;
  plot::write_image_grid(path, pictures_of(images, *showing.range), options);
}

void write_reconstruction_grid(const std::filesystem::path& path,
                               const evaluate::Reconstructions& pairs, const Showing& showing,
                               const std::string& title) {
  if (!showing.as_images(pairs.originals)) {
    plot::PanelSheet sheet{
        .title = title,
        .sections = {sample_section(pairs.originals, pairs.reconstructions, showing)}};
    if (pairs.originals.dim() < 4)
      sheet.legend = {{"input", kFirstCurve}, {"output", kSecondCurve}};
    return plot::write_panel_sheet(path, sheet);
  }
  const std::vector<plot::Picture> originals = pictures_of(pairs.originals, *showing.range),
                                   reconstructions =
                                       pictures_of(pairs.reconstructions, *showing.range);
  plot::GridOptions options;
  options.title = title;
  options.columns = kColumns;
  std::vector<plot::Picture> rows;
  for (std::size_t first = 0; first < originals.size(); first += kColumns) {
    const std::size_t last = std::min(originals.size(), first + kColumns);
    // Only whole rows of originals have their reconstructions right below.
    if (last - first < kColumns && first > 0) break;
    rows.insert(rows.end(), originals.begin() + static_cast<std::ptrdiff_t>(first),
                originals.begin() + static_cast<std::ptrdiff_t>(last));
    rows.insert(rows.end(), reconstructions.begin() + static_cast<std::ptrdiff_t>(first),
                reconstructions.begin() + static_cast<std::ptrdiff_t>(last));
    options.row_labels.insert(options.row_labels.end(), {"input", "output"});
    if (last - first < kColumns) options.columns = static_cast<int>(last - first);
  }
  plot::write_image_grid(path, rows, options);
}

void write_interpolation_grid(const std::filesystem::path& path,
                              const evaluate::Interpolations& walks, const Showing& showing,
                              const std::string& title) {
  const std::int64_t steps = walks.images.size(1);
  const at::Tensor rows =
      at::cat({walks.originals.narrow(1, 0, 1), walks.images, walks.originals.narrow(1, 1, 1)}, 1);
  std::vector<std::string> places = {"input"};
  std::vector<double> positions = {std::nan("")};
  for (std::int64_t i = 0; i < steps; ++i) {
    positions.push_back(static_cast<double>(i) / static_cast<double>(steps - 1));
    places.push_back(base::digits(positions.back(), 3));
  }
  places.emplace_back("input");
  positions.push_back(std::nan(""));
  if (!showing.as_images(rows.flatten(0, 1))) {
    plot::PanelSheet sheet{
        .title = title,
        .sections = {walk_section(
            {rows, places, {}, positions, "fraction of the way between the codes"}, showing)}};
    if (rows.dim() < 5) sheet.legend = {{"inputs", kFirstCurve}};
    return plot::write_panel_sheet(path, sheet);
  }
  plot::GridOptions options;
  options.title = title;
  options.columns = static_cast<int>(places.size());
  options.column_labels = places;
  plot::write_image_grid(path, pictures_of(rows.flatten(0, 1), *showing.range), options);
}

void write_traversal_grid(const std::filesystem::path& path, const evaluate::Traversals& walks,
                          const Showing& showing, const std::string& title) {
  using Of = evaluate::Traversals::Of;
  const std::string unit = evaluate::unit_of(walks);
  const std::string subtitle = base::text("one ", walks.of == Of::codes ? "vector" : "dimension",
                                          " of z at a time, in ", unit);
  std::vector<std::string> places, names;
  for (const double position : walks.positions) places.push_back(base::digits(position, 3));
  for (std::size_t i = 0; i < walks.dimensions.size(); ++i)
    names.push_back(base::text(walks.of == Of::codes ? "vector " : "z", walks.dimensions[i],
                               walks.of == Of::posteriors ? "  KL "
                               : walks.of == Of::points   ? "  variance "
                                                          : "  entropy ",
                               std::fixed, std::setprecision(2), walks.weights[i],
                               walks.of == Of::points ? "" : " nats"));
  if (!showing.as_images(walks.images.flatten(0, 1)))
    return plot::write_panel_sheet(
        path, {.title = title,
               .subtitle = subtitle,
               .sections = {
                   walk_section({walks.images, places, names, walks.positions, unit}, showing)}});
  plot::GridOptions options;
  options.title = title;
  options.subtitle = subtitle;
  options.columns = static_cast<int>(walks.positions.size());
  options.column_labels = places;
  options.row_labels = names;
  plot::write_image_grid(path, pictures_of(walks.images.flatten(0, 1), *showing.range), options);
}

void write_comparison_grid(const std::filesystem::path& path, const at::Tensor& inputs,
                           const std::vector<ComparedImages>& models, const Showing& showing,
                           const std::string& title) {
  std::vector<at::Tensor> rows;
  std::vector<std::string> names;
  if (inputs.defined()) {
    rows.push_back(inputs);
    names.emplace_back("input");
  }
  for (const ComparedImages& model : models)
    if (model.reconstructions.defined()) {
      rows.push_back(model.reconstructions);
      names.push_back(model.name);
    }
  for (const ComparedImages& model : models)
    if (model.samples.defined()) {
      rows.push_back(model.samples);
      names.push_back(model.name + ", samples");
    }
  if (!showing.as_images(rows.at(0))) {
    const at::Tensor values = shown_values(at::stack(rows), showing);
    const FieldPanels fields(values.flatten(0, 1), showing);
    std::vector<std::string> places;
    for (std::int64_t i = 0; i < values.size(1); ++i) places.push_back(base::text(i));
    return plot::write_panel_sheet(
        path,
        {.title = title,
         .sections = {fields.curves()
                          ? curve_rows(values, names, fields)
                          : field_walks(values, {.places = places, .names = names}, fields)}});
  }
  plot::GridOptions options;
  options.title = title;
  options.columns = static_cast<int>(rows.at(0).size(0));
  options.row_labels = names;
  plot::write_image_grid(path, pictures_of(at::cat(rows), *showing.range), options);
}

}  // namespace vae_dist::report
