// A condition that is a class: a digit, a type of cell, a kind of particle. The model is told a
// one-hot vector.
#include <algorithm>
#include <cmath>

#include "base/digits.hpp"
#include "base/error.hpp"
#include "base/list_of_ten.hpp"
#include "conditions/condition.hpp"

namespace vae_dist::conditions {
namespace {

// More classes than this are more likely to be a measurement.
constexpr std::size_t kMostClasses = 100000;

class Classes : public Condition {
 public:
  Classes(std::vector<std::int64_t> labels, std::vector<std::string> names)
      : labels_(std::move(labels)), names_(std::move(names)) {
    if (labels_.empty() || !std::is_sorted(labels_.begin(), labels_.end()) ||
        (!names_.empty() && names_.size() != labels_.size()))
      throw std::invalid_argument("a condition's classes are not a sorted list with their names");
  }

  // With the attribute `names` the classes are 0 .. their number - 1, otherwise the labels that
  // the training rows have.
  static std::unique_ptr<Condition> find(const std::any&,
                                         const data::AnnotationRows<double>& training,
                                         const NameRow& name) {
    if (training.columns != 1)
      throw base::BadInput(base::text(name(0), " has ", training.columns,
                                      " columns; classes have one. For several numbers a sample "
                                      "write name: numbers"));
    std::vector<std::int64_t> labels;
    for (std::size_t i = 0; i < training.values.size(); ++i) {
      const std::int64_t label = whole(training.values[i], static_cast<std::int64_t>(i), name);
      const auto place = std::lower_bound(labels.begin(), labels.end(), label);
      if (place == labels.end() || *place != label) labels.insert(place, label);
      if (labels.size() > kMostClasses)
        throw base::BadInput(base::text(name(static_cast<std::int64_t>(i)),
                                        ": there are more than ", kMostClasses,
                                        " different classes; write name: numbers for a quantity"));
    }
    if (!training.names.empty()) {
      labels.resize(training.names.size());
      for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int64_t>(i);
    } else if (labels.size() > 1 && labels[0] == -1 && labels[1] >= 0) {
      // The usual sign of a sample without a label, which is no class.
      labels.erase(labels.begin());
    }
    auto out = std::make_unique<Classes>(labels, training.names);
    out->keep(training.values, name);
    return out;
  }

  static std::unique_ptr<Condition> restore(const nlohmann::json& from) {
    return std::make_unique<Classes>(from.at("labels").get<std::vector<std::int64_t>>(),
                                     from.at("names").get<std::vector<std::string>>());
  }

  nlohmann::json numbers() const override { return {{"labels", labels_}, {"names", names_}}; }

  std::int64_t columns() const override { return 1; }
  std::int64_t values() const override { return static_cast<std::int64_t>(labels_.size()); }
  std::int64_t kept() const override { return 1; }

  std::vector<float> keep(std::span<const double> rows, const NameRow& name) const override {
    std::vector<float> out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::int64_t label = whole(rows[i], static_cast<std::int64_t>(i), name);
      const auto place = std::lower_bound(labels_.begin(), labels_.end(), label);
      if (place == labels_.end() || *place != label)
        throw base::BadInput(
            base::text(name(static_cast<std::int64_t>(i)), " holds ", label,
                       label == -1 ? ", which usually says that a sample has no class. " : ". ",
                       "The classes of the condition are ", all_classes(),
                       "; choose other rows, or give every sample one of these classes"));
      out.push_back(static_cast<float>(place - labels_.begin()));
    }
    return out;
  }

  void expand(std::span<const float> kept, std::span<float> out) const override {
    std::fill(out.begin(), out.end(), 0.0F);
    out[static_cast<std::size_t>(kept[0])] = 1;
  }

  std::vector<double> parse(const std::string& written) const override {
    const auto named = std::find(names_.begin(), names_.end(), written);
    if (named != names_.end())
      return {static_cast<double>(labels_[static_cast<std::size_t>(named - names_.begin())])};
    const std::optional<double> number = base::number_in(written);
    if (!number ||
        !std::binary_search(labels_.begin(), labels_.end(), static_cast<std::int64_t>(*number)) ||
        std::trunc(*number) != *number)
      throw std::invalid_argument(
          base::text("there is no class '", written, "'; the classes are ", all_classes()));
    return {*number};
  }

  std::string description() const override { return base::text(values(), " classes"); }

 private:
  static std::int64_t whole(double value, std::int64_t row, const NameRow& name) {
    if (std::isnan(value))
      throw base::BadInput(base::text(name(row), " holds NaN: the sample has no class"));
    if (std::trunc(value) != value || std::abs(value) > 1e15)
      throw base::BadInput(base::text(name(row), " holds ", base::digits(value),
                                      ", which is no class (a whole number). For a quantity "
                                      "write name: numbers"));
    return static_cast<std::int64_t>(value);
  }

  // Lists the classes, in a few words if they are many.
  std::string all_classes() const {
    if (names_.empty() && labels_.back() - labels_.front() + 1 == values())
      return base::text(labels_.front(), " to ", labels_.back());
    std::vector<std::string> words = names_;
    if (words.empty())
      for (const std::int64_t label : labels_) words.push_back(base::text(label));
    return base::list_of_ten(words);
  }

  std::vector<std::int64_t> labels_;  // sorted
  std::vector<std::string> names_;    // of the labels; may be empty
};

const RegisteredCondition kClasses(
    {{.name = "classes",
      .help = "a class a sample, told as a one-hot vector: the attribute `names` or the labels of "
              "the training rows say which classes there are",
      .own = base::own_keys<ConditionSettings>([](base::Section& keys, ConditionSettings& own) {
        add_dataset_key(keys, own);
      })}},
    {Classes::find, Classes::restore,
     [](const std::any& own) { return std::any_cast<const ConditionSettings&>(own).dataset; }});

}  // namespace
}  // namespace vae_dist::conditions
