#include "config/check_config.hpp"

#include <algorithm>
#include <functional>
#include <type_traits>

#include "base/text.hpp"
#include "config/key_rows.hpp"
#include "config/scalar_text.hpp"
#include "config/words.hpp"

namespace vae_dist::config {
namespace {

/// Returns the numbers in a value; empty for non-numeric types.
struct Numbers {
  std::vector<double> operator()(const std::int64_t* value) const {
    return {static_cast<double>(*value)};
  }
  std::vector<double> operator()(const double* value) const { return {*value}; }
  std::vector<double> operator()(const std::vector<std::int64_t>* list) const {
    return {list->begin(), list->end()};
  }
  std::vector<double> operator()(const std::vector<double>* list) const { return *list; }
  template <typename Value>
  std::vector<double> operator()(const std::optional<Value>* value) const {
    return *value ? (*this)(&**value) : std::vector<double>{};
  }
  template <typename Other>
  std::vector<double> operator()(const Other*) const {
    return {};
  }
};

bool in_range(const base::Key& key, double value) {
  if (key.least && (value < *key.least || (key.least_excluded && value == *key.least)))
    return false;
  return !key.most || (value <= *key.most && !(key.most_excluded && value == *key.most));
}

std::string range_text(const base::Key& key) {
  std::vector<std::string> bounds;
  if (key.least)
    bounds.push_back((key.least_excluded ? "above " : "at least ") + number_text(*key.least));
  if (key.most)
    bounds.push_back((key.most_excluded ? "below " : "at most ") + number_text(*key.most));
  return joined(bounds, " and ");
}

/// Returns the limit that an absurdly large number violates, in words; "" if there is none.
struct TooLarge {
  std::string operator()(const std::int64_t* value) const {
    return *value > kLargestCount ? base::text("at most ", kLargestCount) : "";
  }
  std::string operator()(const double* value) const {
    return *value > kLargestNumber ? base::text("at most ", number_text(kLargestNumber)) : "";
  }
  template <typename Number>
  std::string operator()(const std::vector<Number>* list) const {
    if constexpr (std::is_arithmetic_v<Number>)
      for (const Number& number : *list)
        if (const std::string wrong = (*this)(&number); !wrong.empty()) return wrong;
    return "";
  }
  template <typename Value>
  std::string operator()(const std::optional<Value>* value) const {
    return *value ? (*this)(&**value) : "";
  }
  template <typename Other>
  std::string operator()(const Other*) const {
    return "";
  }
};

/// Returns the first text of a list that `allowed` does not contain; empty if there is none.
struct UnknownEntry {
  const std::vector<std::string>& allowed;

  std::string operator()(const std::vector<std::string>* list) const {
    const auto unknown = std::find_if(list->begin(), list->end(), [this](const std::string& entry) {
      return std::find(allowed.begin(), allowed.end(), entry) == allowed.end();
    });
    return unknown == list->end() ? "" : *unknown;
  }
  template <typename Other>
  std::string operator()(const Other*) const {
    return "";
  }
};

/// Returns the number of entries of a list; 0 for other types.
struct Entries {
  template <typename Entry>
  std::size_t operator()(const std::vector<Entry>* list) const {
    return list->size();
  }
  template <typename Other>
  std::size_t operator()(const Other*) const {
    return 0;
  }
};

}  // namespace

std::string value_error(const base::Key& key) {
  const std::string value = value_text(key);
  const std::string subject = key.name + " is " + brief_value_text(key) + "; ";
  const std::size_t count = std::visit(Entries{}, key.slot);
  if (count > 0 && key.length > 0 && count != key.length)
    return subject + base::text("it takes ", key.length, " entries");
  if (!key.choices.empty() &&
      std::find(key.choices.begin(), key.choices.end(), value) == key.choices.end()) {
    return subject + "choose one of " + joined(key.choices, " | ");
  }
  if (!key.entry_choices.empty())
    if (const std::string unknown = std::visit(UnknownEntry{key.entry_choices}, key.slot);
        !unknown.empty())
      return base::text(key.name, " holds '", unknown, "'; choose from ",
                        joined(key.entry_choices, " | "));
  const std::vector<double> numbers = std::visit(Numbers{}, key.slot);
  const bool fits = std::all_of(numbers.begin(), numbers.end(),
                                [&](double number) { return in_range(key, number); });
  const std::string must_be = count > 0 ? "every entry must be " : "it must be ";
  if (!fits) return subject + must_be + range_text(key);
  if (!key.any_size)
    if (const std::string wrong = std::visit(TooLarge{}, key.slot); !wrong.empty())
      return subject + must_be + wrong;
  return "";
}

std::optional<Contradiction> find_contradiction(const Config& config) {
  if (auto found = find_contradiction_in_objective(config)) return found;
  if (config.run.name.find('/') != std::string::npos || config.run.name == "." ||
      config.run.name == "..") {
    return Contradiction{
        {"run.name"},
        base::text("run.name is '", config.run.name,
                   "', which is a path; give the name of a folder within run.directory")};
  }
  for (const auto& [name, source] : {std::pair{"data.train", &config.data.train},
                                     std::pair{"data.validation", &config.data.validation}}) {
    const auto& rows = source->rows;
    if (rows.size() == 2 && rows[0] >= rows[1]) {
      const std::string key = base::text(name, ".rows");
      return Contradiction{{key},
                           base::text(key, " is [", rows[0], ", ", rows[1],
                                      "], which holds no row; write [first, past_the_last]")};
    }
  }
  for (const auto& [name, source] : {std::pair{"data.train", &config.data.train},
                                     std::pair{"data.validation", &config.data.validation}}) {
    const std::string rows = base::text(name, ".rows"), split = base::text(name, ".split");
    if (!source->rows.empty() && source->split)
      return Contradiction{{rows, split},
                           base::text(rows, " and ", split, " both select rows; keep only one")};
  }
  if (config.data.validation.fraction && !config.data.validation.file.empty())
    return Contradiction{{"data.validation.fraction", "data.validation.file"},
                         "data.validation.fraction holds out training rows in place of "
                         "data.validation.file; keep only one of them"};
  if (config.data.dequantize != Dequantize::none && config.data.binarize != Binarize::none)
    return Contradiction{
        {"data.dequantize", "data.binarize"},
        "data.dequantize needs grey levels, which data.binarize removes; set one of them to none"};
  if (!config.data.random_crop.empty() && (config.data.crop || config.data.resize))
    return Contradiction{{"data.random_crop", config.data.crop ? "data.crop" : "data.resize"},
                         "data.random_crop and data.crop or data.resize both choose the size that "
                         "the model sees; keep one of them"};
  if (!config.data.train.condition.entries().empty() &&
      !config.model.network.item().takes_condition)
    return Contradiction{
        {"data.train.condition", "model.name"},
        base::text("model.name is ", config.model.network.name,
                   ", which takes no condition; set data.train.condition to [], or model.name to ",
                   networks_where([](const base::Network& one) { return one.takes_condition; }))};
  if (has_foreign_layers(config.model) && config.distributed.batch_norm == BatchNorm::sync)
    return Contradiction{
        {"distributed.batch_norm", "model.name"},
        base::text("distributed.batch_norm is sync, but the batch norm of model.name ",
                   config.model.network.name,
                   " sees the samples that pass through it at once; set it to local")};
  if (config.data.normalize != Normalize::scale && config.data.binarize != Binarize::none)
    return Contradiction{{"data.binarize", "data.normalize"},
                         base::text("data.binarize needs values in [0, 1], but data.normalize is ",
                                    word(config.data.normalize), "; set it to scale")};
  if (config.data.normalize != Normalize::scale && config.data.dequantize != Dequantize::none)
    return Contradiction{{"data.dequantize", "data.normalize"},
                         base::text("data.dequantize needs grey levels, but data.normalize is ",
                                    word(config.data.normalize), "; set it to scale")};
  const ScheduleConfig& schedule = config.train.schedule;
  if (schedule.name == RateSchedule::step && schedule.milestones.empty()) {
    return Contradiction{
        {"train.schedule.milestones", "train.schedule.name"},
        "train.schedule.name is step, which needs train.schedule.milestones, e.g. [30, 60]"};
  }
  if (std::adjacent_find(schedule.milestones.begin(), schedule.milestones.end(),
                         std::greater_equal<>()) != schedule.milestones.end()) {
    return Contradiction{{"train.schedule.milestones"},
                         "train.schedule.milestones must be in strictly ascending order"};
  }
  const auto& replicas = config.distributed.replicas;
  if (!config.train.batch_per_replica && replicas && config.train.global_batch % *replicas != 0) {
    return Contradiction{
        {"train.global_batch", "distributed.replicas"},
        base::text("train.global_batch is ", config.train.global_batch,
                   ", which is not divisible by distributed.replicas, ", *replicas,
                   "; make it a multiple, or set train.batch_per_replica instead")};
  }
  if (config.distributed.device == Device::cpu && config.distributed.backend == Backend::nccl) {
    return Contradiction{{"distributed.backend", "distributed.device"},
                         "distributed.backend is nccl, which needs a GPU, but distributed.device "
                         "is cpu; set distributed.backend to mpi or auto"};
  }
  if (config.train.cuda_graph.value_or(false) && config.distributed.device == Device::cpu) {
    return Contradiction{{"train.cuda_graph", "distributed.device"},
                         "train.cuda_graph is true, which needs a GPU, but distributed.device is "
                         "cpu; set train.cuda_graph to auto"};
  }
  if (config.distributed.compress != Compress::none && config.distributed.reproducible) {
    return Contradiction{
        {"distributed.compress", "distributed.reproducible"},
        base::text("distributed.compress is ", word(config.distributed.compress),
                   ", which rounds what each rank sends and makes results depend on the number of "
                   "ranks, but distributed.reproducible requires that they do not; set "
                   "distributed.compress to none, or distributed.reproducible to false")};
  }
  if (config.distributed.compress != Compress::none && config.train.precision == Precision::fp64) {
    return Contradiction{{"distributed.compress", "train.precision"},
                         base::text("distributed.compress is ", word(config.distributed.compress),
                                    ", which discards the precision that train.precision fp64 "
                                    "provides; set distributed.compress to none")};
  }
  return std::nullopt;
}

}  // namespace vae_dist::config
