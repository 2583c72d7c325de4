#include "conditions/conditions.hpp"

#include <numeric>
#include <sstream>

#include "base/error.hpp"

namespace vae_dist::conditions {
namespace {

const ConditionMaker& maker_of(const std::string& kind) {
  base::Registry<base::Condition>::all().at(kind);
  return base::makers<ConditionMaker>().at(kind);
}

// Names the rows of a dataset as messages do: sample i of `samples` is row r of its file.
NameRow rows_of(const data::SampleDataset& samples, const std::string& dataset) {
  return [&samples, dataset](std::int64_t i) {
    const std::int64_t row = samples.samples().row(i);
    return base::text(samples.rows().where(), ": row ", row, " of ", dataset,
                      " (data.train.condition)");
  };
}

// The part of a path behind the last slash.
std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

// The kept rows of all conditions.
class Conditions::Table : public data::SampleConditions {
 public:
  Table(Conditions conditions, const data::SampleDataset& samples)
      : conditions_(std::move(conditions)) {
    for (const Entry& entry : conditions_.entries_) {
      const data::AnnotationRows<double> rows = data::read_annotation(samples, entry.dataset);
      if (rows.columns != entry.condition->columns())
        throw base::BadInput(base::text(samples.rows().where(), ": ", entry.dataset, " has ",
                                        rows.columns, " columns, but the run's condition has ",
                                        entry.condition->columns()));
      kept_.push_back(entry.condition->keep(rows.values, rows_of(samples, entry.dataset)));
    }
  }

  std::int64_t values() const override { return conditions_.values(); }

  void write(std::int64_t sample, std::span<float> out) const override {
    std::size_t begin = 0;
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      const Condition& condition = *conditions_.entries_[i].condition;
      const auto kept = static_cast<std::size_t>(condition.kept()),
                 values = static_cast<std::size_t>(condition.values());
      condition.expand(std::span(kept_[i]).subspan(static_cast<std::size_t>(sample) * kept, kept),
                       out.subspan(begin, values));
      begin += values;
    }
  }

 private:
  Conditions conditions_;
  std::vector<std::vector<float>> kept_;  // of each entry, [samples, kept()]
};

Conditions Conditions::find(const base::ItemList& listed, const data::SampleDataset& training) {
  Conditions out;
  for (const base::ItemList::Entry& entry : listed.entries()) {
    const ConditionMaker& maker = maker_of(entry.item->name);
    const std::string dataset = maker.dataset(entry.settings);
    if (dataset.empty())
      throw base::BadInput(
          base::text("data.train.condition: an entry of the kind ", entry.item->name,
                     " names no dataset: write {name: ", entry.item->name, ", dataset: PATH}"));
    const data::AnnotationRows<double> rows = data::read_annotation(training, dataset);
    out.entries_.push_back(
        {entry.item->name, dataset, maker.find(entry.settings, rows, rows_of(training, dataset))});
  }
  return out;
}

std::string Conditions::text() const {
  if (entries_.empty()) return "";
  nlohmann::json out = nlohmann::json::array();
  for (const Entry& entry : entries_) {
    nlohmann::json numbers = entry.condition->numbers();
    numbers["kind"] = entry.kind;
    numbers["dataset"] = entry.dataset;
    out.push_back(std::move(numbers));
  }
  return out.dump();
}

Conditions Conditions::parse(const std::string& text) {
  Conditions out;
  if (text.empty()) return out;
  try {
    for (const nlohmann::json& entry : nlohmann::json::parse(text)) {
      const std::string kind = entry.at("kind");
      out.entries_.push_back({kind, entry.at("dataset"), maker_of(kind).restore(entry)});
    }
  } catch (const nlohmann::json::exception& error) {
    throw std::invalid_argument(error.what());
  } catch (const std::logic_error& error) {  // a kind that is not registered
    throw std::invalid_argument(error.what());
  }
  return out;
}

std::int64_t Conditions::values() const {
  return std::accumulate(
      entries_.begin(), entries_.end(), std::int64_t{0},
      [](std::int64_t sum, const Entry& entry) { return sum + entry.condition->values(); });
}

std::string Conditions::description() const {
  std::string out;
  for (const Entry& entry : entries_)
    out += base::text(out.empty() ? "" : ", ", last_part(entry.dataset), " (",
                      entry.condition->description(), ")");
  return out;
}

std::shared_ptr<const data::SampleConditions> Conditions::of_samples(
    const data::SampleDataset& samples) const {
  if (entries_.empty()) return nullptr;
  return std::make_shared<Table>(*this, samples);
}

std::vector<float> Conditions::written(const std::string& text) const {
  const auto refuse = [&](const std::string& why) {
    throw base::BadInput(base::text("--condition ", text, ": ", why,
                                    ". The model's conditions are ", description(),
                                    "; write them as name=value,name=value"));
  };
  std::vector<std::string> found(entries_.size());
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos) refuse(base::text("'", part, "' has no '='"));
    const std::string name = part.substr(0, equals);
    bool known = false;
    // Several entries may look at the same dataset.
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (name != entries_[i].dataset && name != last_part(entries_[i].dataset)) continue;
      if (!found[i].empty()) refuse(base::text("'", name, "' is written twice"));
      found[i] = part.substr(equals + 1);
      known = true;
    }
    if (!known) refuse(base::text("there is no condition '", name, "'"));
  }
  std::vector<float> out;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Condition& condition = *entries_[i].condition;
    const std::string name = last_part(entries_[i].dataset);
    if (found[i].empty()) refuse(base::text("'", name, "' is missing"));
    try {
      const std::vector<float> kept = condition.keep(condition.parse(found[i]), [&](std::int64_t) {
        return base::text("--condition ", text, ": ", name);
      });
      std::vector<float> values(static_cast<std::size_t>(condition.values()));
      condition.expand(kept, values);
      out.insert(out.end(), values.begin(), values.end());
    } catch (const std::invalid_argument& error) {
      refuse(base::text(name, ": ", error.what()));
    }
  }
  return out;
}

}  // namespace vae_dist::conditions
