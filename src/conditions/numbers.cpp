// A condition of numbers: an energy, the parameters of a simulation, the orientation of a scene.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "base/digits.hpp"
#include "base/error.hpp"
#include "conditions/condition.hpp"
#include "data/transform.hpp"

namespace vae_dist::conditions {
namespace {

enum class NumbersAs { standardised, between_0_and_1, themselves };

struct NumbersSettings : ConditionSettings {
  std::string transform = "none";
  NumbersAs normalize = NumbersAs::standardised;
};

class Numbers : public Condition {
 public:
  Numbers(std::string transform, std::vector<double> shift, std::vector<double> factor)
      : transform_(std::move(transform)), shift_(std::move(shift)), factor_(std::move(factor)) {
    if (shift_.empty() || shift_.size() != factor_.size())
      throw std::invalid_argument("a condition's shift and factor differ in length");
    data::transform_named(transform_);
  }

  static std::unique_ptr<Condition> find(const std::any& own,
                                         const data::AnnotationRows<double>& training,
                                         const NameRow& name) {
    const auto& settings = std::any_cast<const NumbersSettings&>(own);
    const at::Tensor y = transformed(settings.transform, training.values, training.columns, name);
    std::vector<double> shift, factor;
    for (std::int64_t i = 0; i < training.columns; ++i) {
      const at::Tensor column = y.select(1, i);
      const double least = column.min().item<double>(), range = column.max().item<double>() - least;
      const double mean = column.mean().item<double>(),
                   deviation = column.std(/*unbiased=*/false).item<double>();
      switch (settings.normalize) {
        case NumbersAs::standardised:
          shift.push_back(mean);
          // The mean of equal numbers is off by their rounding.
          factor.push_back(range > 0 ? 1 / deviation : 1);
          break;
        case NumbersAs::between_0_and_1:
          shift.push_back(least);
          factor.push_back(range > 0 ? 1 / range : 1);
          break;
        case NumbersAs::themselves:
          shift.push_back(0);
          factor.push_back(1);
          break;
      }
    }
    return std::make_unique<Numbers>(settings.transform, shift, factor);
  }

  static std::unique_ptr<Condition> restore(const nlohmann::json& from) {
    return std::make_unique<Numbers>(from.at("transform"),
                                     from.at("shift").get<std::vector<double>>(),
                                     from.at("factor").get<std::vector<double>>());
  }

  nlohmann::json numbers() const override {
    return {{"transform", transform_}, {"shift", shift_}, {"factor", factor_}};
  }

  std::int64_t columns() const override { return static_cast<std::int64_t>(shift_.size()); }
  std::int64_t values() const override { return columns(); }
  std::int64_t kept() const override { return columns(); }

  std::vector<float> keep(std::span<const double> rows, const NameRow& name) const override {
    const at::Tensor y =
        ((transformed(transform_, rows, columns(), name) - at::tensor(shift_, at::kDouble)) *
         at::tensor(factor_, at::kDouble))
            .to(at::kFloat)
            .contiguous();
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
  // Returns f(rows): [n, columns], float64.
  static at::Tensor transformed(const std::string& transform, std::span<const double> rows,
                                std::int64_t columns, const NameRow& name) {
    const at::Tensor stored =
        at::from_blob(const_cast<double*>(rows.data()),
                      {static_cast<std::int64_t>(rows.size()) / columns, columns}, at::kDouble);
    const at::Tensor y = data::transform_named(transform).apply(stored);
    const at::Tensor wrong = y.isfinite().logical_not();
    if (wrong.any().item<bool>()) {
      const std::int64_t row = wrong.any(1).nonzero()[0][0].item<std::int64_t>();
      const auto column = wrong[row].nonzero()[0][0].item<std::int64_t>();
      throw base::BadInput(base::text(
          name(row), " holds ", base::digits(stored[row][column].item<double>()),
          ", which is no number that the condition's transform (", transform, ") can take"));
    }
    return y;
  }

  std::string transform_;
  std::vector<double> shift_, factor_;
};

const RegisteredCondition kNumbers(
    {{.name = "numbers",
      .help = "one or several numbers a sample",
      .own = base::own_keys<NumbersSettings>([](base::Section& keys, NumbersSettings& own) {
        add_dataset_key(keys, own);
        keys.key("transform", own.transform, "applied before normalize, as in data.transform")
            .one_of(base::Registry<base::Transform>::all().names());
        keys.choice("normalize", own.normalize,
                    {{"standardize", NumbersAs::standardised},
                     {"min_max", NumbersAs::between_0_and_1},
                     {"none", NumbersAs::themselves}},
                    "by column, with the training rows' statistics, as in data.normalize");
      })}},
    {Numbers::find, Numbers::restore,
     [](const std::any& own) { return std::any_cast<const NumbersSettings&>(own).dataset; }});

}  // namespace
}  // namespace vae_dist::conditions
