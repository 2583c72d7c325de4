#include "checkpoint/training_state.hpp"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/utf8.hpp"
#include "checkpoint/strict_json.hpp"

namespace vae_dist::checkpoint {
namespace {

using nlohmann::json;

// The only list of keys, for writing and for reading.
template <typename State, typename Visitor>
void visit_fields(State& state, const Visitor& visit) {
  visit("step", state.step);
  visit("epoch", state.epoch);
  visit("position", state.position);
  visit("optimizer_step", state.optimizer_step);
  visit("skipped_steps", state.skipped_steps);
  visit("seed", state.seed);
  visit("replicas", state.replicas);
  visit("world_size", state.world_size);
  visit("dataset_fingerprint", state.dataset_fingerprint);
  // The key is older than the choice of a measure.
  visit("best_validation_loss", state.best_validation);
  visit("best_step", state.best_step);
  visit("best_stop_metric", state.best_stop_metric);
  visit("evaluations_since_best", state.evaluations_since_best);
  visit("program_version", state.program_version);
  visit("arithmetic", state.arithmetic);
  visit.added("awaits_evaluation", state.awaits_evaluation);
  visit.added("normalisation", state.normalisation);
  visit.added("conditions", state.conditions);
  visit.added("begun_from", state.begun_from);
  visit.added("best_measure", state.best_measure);
  visit.added("stop_measure", state.stop_measure);
  visit.added("kept_files", state.kept_files);
}

struct Writer {
  nlohmann::ordered_json& object;

  template <typename Value>
  void operator()(const char* key, const Value& value) const {
    object[key] = value;
  }
  // JSON has no infinity. Finite doubles are written with the fewest digits that read back to the
  // same bits.
  void operator()(const char* key, const std::optional<double>& value) const {
    object[key] = nullptr;
    if (value && std::isfinite(*value)) object[key] = *value;
  }
  template <typename Value>
  void added(const char* key, const Value& value) const {
    (*this)(key, value);
  }
};

struct Reader {
  const json& object;
  const std::string& name;

  const json& member(const char* key) const {
    const auto found = object.find(key);
    if (found == object.end())
      throw base::BadInput(base::text(name, ": '", key, "' is missing: the file is damaged"));
    return *found;
  }
  void require(bool is_right, const char* key, const char* type) const {
    if (!is_right)
      throw base::BadInput(
          base::text(name, ": '", key, "' is not ", type, ": the file is damaged"));
  }
  void operator()(const char* key, std::int64_t& value) const {
    const json& found = member(key);
    require(found.is_number_integer(), key, "a whole number");
    // A value above the largest int64 would wrap.
    require(!found.is_number_unsigned() ||
                found.get<std::uint64_t>() <= std::numeric_limits<std::int64_t>::max(),
            key, "in range");
    value = found.get<std::int64_t>();
  }
  void operator()(const char* key, std::string& value) const {
    require(member(key).is_string(), key, "a string");
    value = member(key).get<std::string>();
  }
  void operator()(const char* key, FileSums& sums) const {
    const json& found = member(key);
    require(found.is_object(), key, "an object");
    for (const auto& [file, sum] : found.items()) {
      require(sum.is_string(), key, "an object of strings");
      sums[file] = sum.get<std::string>();
    }
  }
  void operator()(const char* key, std::optional<double>& value) const {
    const json& found = member(key);
    require(found.is_null() || found.is_number(), key, "a number");
    value.reset();
    if (found.is_number()) value = found.get<double>();
  }
  // Reads a key that older checkpoints lack; the value then keeps its default.
  template <typename Value>
  void added(const char* key, Value& value) const {
    if (object.contains(key)) (*this)(key, value);
  }
};

}  // namespace

std::string to_json(const TrainingState& state) {
  auto object = nlohmann::ordered_json::object();
  visit_fields(state, Writer{object});
  return base::json_text(object, 2) + "\n";
}

TrainingState training_state_from_json(std::string_view bytes, const std::string& name) {
  const json object = parse_strict_json(bytes, name);
  TrainingState state;
  visit_fields(state, Reader{object, name});
  return state;
}

}  // namespace vae_dist::checkpoint
