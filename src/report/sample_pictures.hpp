// How samples of any shape are shown. Images of one, three or four channels whose values have a
// range of their own are shown as they are. All other samples are fields: each channel by itself,
// in the file's units, in colours (plot/colour_map.hpp) or, if it has no or one axis of space, as a
// curve; of volumes the three slices through the middle.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/model_input.hpp"
#include "plot/panel_sheet.hpp"

namespace vae_dist::report {

/// What pictures need to know of samples beside their values.
struct Showing {
  std::optional<plot::Range> range = {};  ///< the values shown black and white; none: the values
                                          ///< have no range of their own
  std::shared_ptr<const data::Normaliser> normaliser =
      nullptr;                             ///< for tensors on the CPU; null: not normalised
  std::vector<std::string> channels = {};  ///< names; where there are fewer, numbers

  /// Whether such samples, [B, C, space...], are images that are shown as they are.
  bool as_images(const at::Tensor& samples) const;
};

/// Returns the showing of a model's samples, whose channels come from these datasets: normalised
/// values are shown in the file's units; others in the range low to high.
Showing showing_of(const std::shared_ptr<const data::Normaliser>& normaliser, double low,
                   double high, const std::vector<data::StoredArray>& arrays);
Showing showing_of(const data::InputFormat& format, const data::SampleDataset& dataset);

/// Returns the names of the channels of these datasets: a dataset's name, with the number of the
/// channel if it has several ("velocity 0"); of vectors one name.
std::vector<std::string> channel_names(const std::vector<data::StoredArray>& arrays);
/// Returns the units of the same channels; empty where a dataset does not state them.
std::vector<std::string> channel_units(const std::vector<data::StoredArray>& arrays);
/// Returns the names with the units, for values that are shown in them: "density (kg/m^3)".
std::vector<std::string> channel_labels(const std::vector<data::StoredArray>& arrays);

/// Returns a picture of each image, [B, C, H, W], with `shades` black and white.
std::vector<plot::Picture> pictures_of(const at::Tensor& images, plot::Range shades);

/// Returns samples, [..., C, space...], as their values are shown: on the CPU, in the file's units
/// if they are normalised.
at::Tensor shown_values(const at::Tensor& samples, const Showing& showing);

/// A part of a sample that gets a panel of its own.
struct PanelView {
  std::int64_t channel = 0;
  std::int64_t axis = -1;  ///< of a volume: the axis of space that the slice lies across
  std::string slice = {};  ///< "across D"; empty unless the sample is a volume
};

/// Makes the panels of fields. All panels of a channel have the same colours.
class FieldPanels {
 public:
  /// `values`: as shown_values() returns them, [B, C, space...] or [B, V]; their range is that of
  /// the colours. Of more than eight channels the first are shown.
  FieldPanels(const at::Tensor& values, const Showing& showing);

  /// Whether the samples are curves: vectors, whose values are the points of one curve, or series.
  bool curves() const { return curves_; }
  std::int64_t channels() const { return static_cast<std::int64_t>(names_.size()); }
  const std::string& name(std::int64_t channel) const { return names_.at(channel); }
  /// The parts of a sample, channel by channel; not for curves.
  const std::vector<PanelView>& views() const { return views_; }
  /// "density", "density across D", "across D" if there is one channel, "" if there is one view.
  std::string name(const PanelView& view) const;

  /// Returns a sample's part: a picture.
  plot::Panel panel(const at::Tensor& sample, const PanelView& view) const;
  /// Returns a panel for curves, with the range of all values of the channel in `samples`,
  /// [B, C, W] or [B, V].
  plot::Panel frame(const at::Tensor& samples, std::int64_t channel, int width) const;
  /// Adds a sample's curve to it.
  void draw(plot::Panel& frame, const at::Tensor& sample, std::int64_t channel, plot::Rgb colour,
            double width = 1.25) const;
  /// Returns the colour bars, one for each channel.
  std::vector<plot::ColourBar> bars() const;

 private:
  at::Tensor channel_of(const at::Tensor& sample, std::int64_t channel) const;

  bool curves_;
  std::vector<std::string> names_;
  std::vector<plot::ColourScale> scales_;
  std::vector<PanelView> views_;
};

/// Names the columns of a section of curves, in which the channels of each sample stand side by
/// side: each by its channel, or, if there is only one, all together.
void name_curves(plot::PanelSection& section, const FieldPanels& fields);

/// Returns a section with all samples, as images or as fields. `paired`: undefined, or as many
/// other samples: of fields each row is followed by the row of the others, curves lie over each
/// other, and the colours are those of the first. Both are the model's values.
plot::PanelSection sample_section(const at::Tensor& samples, const at::Tensor& paired,
                                  const Showing& showing);

/// The colours of the curves of samples and of what is compared with them.
inline constexpr plot::Rgb kFirstCurve{150, 150, 150}, kSecondCurve{190, 40, 40},
    kOnlyCurve{45, 85, 165};

}  // namespace vae_dist::report
