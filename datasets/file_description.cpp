#include "datasets/file_description.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/digits.hpp"
#include "base/text.hpp"
#include "datasets/reading_advice.hpp"

namespace vae_dist::datasets {
namespace {

std::string joined(const std::vector<std::string>& names, std::size_t most) {
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), most); ++i) out += (i ? ", " : "") + names[i];
  return names.size() > most ? out + ", ..." : out;
}

std::string chunk_text(const hdf5::Hdf5Dataset& d) {
  if (d.chunk().empty()) return "not chunked";
  const bool whole_rows = std::equal(d.chunk().begin() + 1, d.chunk().end(), d.shape().begin() + 1);
  return whole_rows ? base::text("chunks of ", d.chunk()[0], " rows")
                    : base::text("chunks ", hdf5::shape_text(d.chunk()));
}

ReadingAdvice advice_of(const hdf5::Hdf5Dataset& stored) {
  return reading_advice(chunk_facts(stored.shape(), stored.chunk(),
                                    static_cast<std::int64_t>(stored.number()->bytes)),
                        stored.filters());
}

std::string advice_for(const data::SampleDataset& images) {
  const hdf5::Hdf5Dataset& stored = images.stored();
  const ReadingAdvice advice = advice_of(stored);
  std::string out = "advice: " + advice.reason;
  if (advice.convert)
    out += base::text(". Convert it before training:\n  vae_dist data convert ", stored.file(),
                      " converted.h5 --dataset ", stored.path());
  return out + "\n";
}

}  // namespace

std::string datasets_of(const hdf5::Hdf5File& file) {
  std::ostringstream out;
  const hdf5::Hdf5File::Contents contents = file.contents();
  for (const std::string& link : contents.dangling_links)
    out << link << ": a dangling link (its target does not exist)\n";
  for (const std::string& path : contents.datasets) {
    const hdf5::Hdf5Dataset d = file.dataset(path);
    out << path << ": " << d.type_name() << " " << hdf5::shape_text(d.shape()) << ", "
        << chunk_text(d) << ", filters: " << d.filters() << ", "
        << base::format_bytes(static_cast<double>(d.stored_bytes())) << " in the file\n";
    if (const std::vector<std::string> names = d.text_list_attribute("names"); !names.empty())
      out << "  names: " << joined(names, 20) << "\n";
    if (const std::string units = d.text_attribute("units"); !units.empty())
      out << "  units: " << units << "\n";
  }
  return out.str();
}

nlohmann::ordered_json datasets_json(const hdf5::Hdf5File& file) {
  const hdf5::Hdf5File::Contents contents = file.contents();
  nlohmann::ordered_json out = {{"datasets", nlohmann::ordered_json::array()},
                                {"dangling_links", contents.dangling_links}};
  for (const std::string& path : contents.datasets) {
    const hdf5::Hdf5Dataset d = file.dataset(path);
    nlohmann::ordered_json each = {{"path", path},           {"type", d.type_name()},
                                   {"shape", d.shape()},     {"chunk", d.chunk()},
                                   {"filters", d.filters()}, {"stored_bytes", d.stored_bytes()}};
    if (const auto names = d.text_list_attribute("names"); !names.empty()) each["names"] = names;
    if (const auto units = d.text_attribute("units"); !units.empty()) each["units"] = units;
    out["datasets"].push_back(std::move(each));
  }
  return out;
}

nlohmann::ordered_json reading_json(const data::SampleDataset& images) {
  nlohmann::ordered_json out = {{"description", images.description()},
                                {"samples", images.size()},
                                {"channels", images.shape().channels},
                                {"space", images.shape().space},
                                {"layout", images.layout().text()}};
  for (const data::StoredArray& array : images.stored_arrays())
    out["datasets"].push_back({{"path", array.name}, {"axes", array.axes}});
  if (!images.is_plain()) out["scale"] = images.scale();
  const ReadingAdvice advice = advice_of(images.stored());
  out["has_missing_values"] = images.masks_missing();
  out["fingerprint"] = images.fingerprint();
  out["doubts"] = images.doubts();
  out["advice"] = {{"convert", advice.convert}, {"reason", advice.reason}};
  return out;
}

std::string reading_of(const data::SampleDataset& images) {
  std::string out = base::text("read as ", images.description(), "\n");
  out +=
      images.is_plain()
          ? std::string("values of any range: set data.normalize to standardize, min_max or none\n")
          : base::text("scale ", images.scale(), ": stored values times the scale lie in [0, 1]\n");
  if (images.masks_missing())
    out +=
        "missing values: training refuses them, unless data.missing is mask, with which no loss "
        "counts them\n";
  out += base::text("fingerprint ", images.fingerprint(), "\n");
  for (const std::string& doubt : images.doubts()) out += base::text("doubtful: ", doubt, "\n");
  return out + advice_for(images);
}

}  // namespace vae_dist::datasets
