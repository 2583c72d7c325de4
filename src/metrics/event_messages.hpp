// The messages of TensorBoard's event files, in protobuf's wire format: the few fields of Event,
// Summary and the plugins' data that a run fills, with the field numbers of
// tensorboard/compat/proto/{event,summary,tensor,histogram}.proto and
// tensorboard/plugins/hparams/plugin_data.proto. PyTorch's SummaryWriter fills the same ones.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vae_dist::metrics {

/// When something happened: seconds since 1970, and the number of steps done.
struct EventTime {
  double wall_time = 0;
  std::int64_t step = 0;
};

using TaggedValues = std::vector<std::pair<std::string, double>>;

/// The first event of every file: it says which version of the format the file has.
std::string version_event(double wall_time);

/// An event from which on readers forget what they know of `at.step` and later ones. They do so
/// only for files with a version_event().
std::string restart_event(EventTime at);

/// Each value as a scalar ("simple_value", single precision) of its own curve.
std::string scalars_event(EventTime at, const TaggedValues& values);

/// The distribution of the finite ones among `values`, in bins of equal width.
std::string histogram_event(EventTime at, const std::string& tag,
                            const std::vector<double>& values);

/// A picture. `png`: the content of the file. Throws BadInput if it is no PNG file.
std::string image_event(EventTime at, const std::string& tag, std::string_view png);

/// A text, which TensorBoard shows as Markdown.
std::string text_event(EventTime at, const std::string& tag, std::string_view markdown);

/// The hyperparameters of a run: name and value, as YAML writes it. TensorBoard's HPARAMS tab
/// compares the runs that have such an event. SummaryWriter also writes an "experiment", which
/// lists the columns of that tab. TensorBoard takes the list of one run for all; without any it
/// shows what occurs in one of the runs, and which of it differs.
std::string session_start_event(EventTime at,
                                const std::vector<std::pair<std::string, std::string>>& values);

/// Says that the run whose session_start_event() came before is complete.
std::string session_end_event(EventTime at);

/// What identifies an event.
struct EventHead {
  EventTime at;
  std::string tag;  ///< of the first value; empty: none
};

/// Reads it from an event, of any writer. Fields that cannot be read are left empty.
EventHead head_of(std::string_view event);

/// Returns an event of this program with another time.
std::string with_wall_time(std::string_view event, double wall_time);

}  // namespace vae_dist::metrics
