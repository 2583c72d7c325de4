// A condition of numbers: an energy, the parameters of a simulation, the orientation of a scene.
#include <ATen/ATen.h>

#include <algorithm>
#include <sstream>

#include "base/digits.hpp"
#include "base/error.hpp"
#include "conditions/condition.hpp"
#include "data/channel_statistics.hpp"
#include "data/normalisation.hpp"

namespace vae_dist::conditions {
namespace {

struct NumbersSettings : ConditionSettings {
  std::string transform = "none";
  data::NormaliseBy normalize = data::NormaliseBy::deviation;
};

class Numbers : public Condition {
 public:
  explicit Numbers(data::Normalisation numbers)
      : columns_(static_cast<std::int64_t>(numbers.shift.size())),
        normaliser_(std::move(numbers), 2, c10::kCPU, at::kDouble) {}

  static std::unique_ptr<Condition> find(const std::any& own,
                                         const data::AnnotationRows<double>& training,
                                         const NameRow& name) {
    const auto& settings = std::any_cast<const NumbersSettings&>(own);
    const std::vector<std::string> transforms = {settings.transform};
    const at::Tensor y = Numbers(data::Normalisation::only(transforms, training.columns))
                             .seen(training.values, name);
    data::ChannelStatistics statistics;
    for (const at::Tensor& column : y.unbind(1)) {
      statistics.mean.push_back(column.mean().item<double>());
      statistics.deviation.push_back(column.std(/*unbiased=*/false).item<double>());
      statistics.least.push_back(column.min().item<double>());
      statistics.largest.push_back(column.max().item<double>());
    }
    return std::make_unique<Numbers>(
        data::normalisation_of(statistics, transforms, settings.normalize));
  }

  static std::unique_ptr<Condition> restore(const nlohmann::json& from) {
    data::Normalisation numbers{{from.at("transform").get<std::string>()},
                                from.at("shift").get<std::vector<double>>(),
                                from.at("factor").get<std::vector<double>>()};
    if (numbers.shift.empty() || numbers.shift.size() != numbers.factor.size())
      throw std::invalid_argument("a condition's shift and factor differ in length");
    return std::make_unique<Numbers>(std::move(numbers));
  }

  nlohmann::json numbers() const override {
    const data::Normalisation& kept = normaliser_.numbers();
    return {{"transform", kept.transforms.front()}, {"shift", kept.shift}, {"factor", kept.factor}};
  }

  std::int64_t columns() const override { return columns_; }
  std::int64_t values() const override { return columns_; }
  std::int64_t kept() const override { return columns_; }

  std::vector<float> keep(std::span<const double> rows, const NameRow& name) const override {
    const at::Tensor y = seen(rows, name).to(at::kFloat).contiguous();
    return {y.const_data_ptr<float>(), y.const_data_ptr<float>() + y.numel()};
  }

  void expand(std::span<const float> kept, std::span<float> out) const override {
    std::copy(kept.begin(), kept.end(), out.begin());
  }

  std::vector<double> parse(const std::string& written) const override {
    std::vector<double> out;
    std::istringstream parts(written);
    for (std::string part; std::getline(parts, part, ':');) {
      const std::optional<double> number = base::number_in(part);
      if (!number) throw std::invalid_argument("'" + part + "' is not a number");
      out.push_back(*number);
    }
    if (static_cast<std::int64_t>(out.size()) != columns())
      throw std::invalid_argument(columns() == 1
                                      ? "it is one number"
                                      : base::text("it is ", columns(), " numbers, such as 1:2"));
    return out;
  }

  std::string description() const override {
    return columns() == 1 ? "a number" : base::text(columns(), " numbers");
  }

 private:
  // Returns the rows, [n, columns], as the model sees them, in float64.
  at::Tensor seen(std::span<const double> rows, const NameRow& name) const {
    const at::Tensor stored =
        at::from_blob(const_cast<double*>(rows.data()),
                      {static_cast<std::int64_t>(rows.size()) / columns_, columns_}, at::kDouble);
    at::Tensor y = normaliser_.apply(stored);
    const at::Tensor wrong = y.isfinite().logical_not();
    if (wrong.any().item<bool>()) {
      const auto row = wrong.any(1).nonzero()[0][0].item<std::int64_t>();
      const auto column = wrong[row].nonzero()[0][0].item<std::int64_t>();
      throw base::BadInput(base::text(name(row), " holds ",
                                      base::digits(stored[row][column].item<double>()),
                                      ", which is no number that the condition's transform (",
                                      normaliser_.numbers().transforms.front(), ") can take"));
    }
    return y;
  }

  std::int64_t columns_;
  data::Normaliser normaliser_;
};

const RegisteredCondition kNumbers(
    {{.name = "numbers",
      .help = "one or several numbers a sample",
      .own = base::own_keys<NumbersSettings>([](base::Section& keys, NumbersSettings& own) {
        add_dataset_key(keys, own);
        keys.key("transform", own.transform, "applied before normalize, as in data.transform")
            .one_of(base::Registry<base::Transform>::all().names());
        keys.choice("normalize", own.normalize,
                    {{"standardize", data::NormaliseBy::deviation},
                     {"min_max", data::NormaliseBy::range},
                     {"none", data::NormaliseBy::nothing}},
                    "by column, with the training rows' statistics, as in data.normalize");
      })}},
    {Numbers::find, Numbers::restore,
     [](const std::any& own) { return std::any_cast<const NumbersSettings&>(own).dataset; }});

}  // namespace
}  // namespace vae_dist::conditions
