#include "run/start_warnings.hpp"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>
#include <set>

#include "base/list_of_ten.hpp"
#include "base/text.hpp"
#include "config/expand_paths.hpp"

namespace vae_dist::run {

namespace {

// Resolves links, so that the same file always has the same path; of very many files only those of
// their folders, as asking for each of them takes its time.
std::vector<std::string> real_paths(const std::vector<std::string>& files) {
  std::vector<std::string> out;
  if (files.size() > config::kMostKeptNames) {
    std::map<std::string, std::string> folders;
    for (const std::string& file : files) {
      const std::size_t name = file.rfind('/') + 1;
      const auto [folder, is_new] = folders.try_emplace(file.substr(0, name));
      std::error_code error;
      if (is_new)
        folder->second =
            std::filesystem::weakly_canonical(name > 0 ? folder->first : ".", error).string();
      out.push_back(base::text(folder->second, "/", file.substr(name)));
    }
    return out;
  }
  for (const std::string& file : files) {
    std::error_code error;
    const std::filesystem::path real = std::filesystem::weakly_canonical(file, error);
    out.push_back(error ? file : real.string());
  }
  return out;
}

void warn_of_repeats(const config::SourceConfig& source, const std::string& key,
                     std::vector<std::string>& warnings) {
  std::map<std::string, std::vector<std::string>> names;
  const std::vector<std::string> real = real_paths(source.file);
  for (std::size_t i = 0; i < real.size(); ++i) names[real[i]].push_back(source.file[i]);
  std::vector<std::string> repeated;
  for (const auto& [file, written] : names)
    if (written.size() > 1)
      repeated.push_back(base::text(
          written[0], written[1] == written[0] ? "" : base::text(" (also as ", written[1], ")"),
          " ", written.size(), " times"));
  if (!repeated.empty())
    warnings.push_back(base::text(
        key, ".file lists the same file more than once, so its images count several times: ",
        base::list_of_ten(repeated)));
}

struct Range {
  std::int64_t first = 0, end = std::numeric_limits<std::int64_t>::max();
};

Range range_of(const config::SourceConfig& source) {
  return source.rows.empty() ? Range{} : Range{source.rows[0], source.rows[1]};
}

// Returns whether the two sources certainly have no common rows. Row numbers run over all files of
// a source, so rows of different file lists cannot be compared without opening the files.
bool rows_may_be_told_apart(const config::SourceConfig& train,
                            const config::SourceConfig& validation) {
  if (train.split && validation.split) return *train.split != *validation.split;
  if (!train.dataset.empty() && !validation.dataset.empty() && train.dataset != validation.dataset)
    return true;
  return (!train.rows.empty() || !validation.rows.empty()) && (train.split || validation.split);
}

void warn_of_overlap(const config::SourceConfig& train, const config::SourceConfig& validation,
                     std::vector<std::string>& warnings) {
  if (validation.file.empty() || rows_may_be_told_apart(train, validation)) return;
  const std::vector<std::string> training = real_paths(train.file),
                                 validating = real_paths(validation.file);
  const std::string consequence =
      ", so the validation loss says nothing about new images. Choose other data.validation.rows, "
      "or use data.validation.fraction instead of a file.";
  if (training == validating) {
    const Range a = range_of(train), b = range_of(validation);
    const std::int64_t first = std::max(a.first, b.first), end = std::min(a.end, b.end);
    if (first >= end) return;
    const bool open = end == std::numeric_limits<std::int64_t>::max();
    const std::string rows = first == 0 && open ? "the same rows"
                             : open             ? base::text("rows from ", first, " on")
                                                : base::text("rows ", first, " to ", end - 1);
    warnings.push_back(base::text("data.train and data.validation both read ", rows,
                                  " of the same file", training.size() > 1 ? "s" : "",
                                  consequence));
    return;
  }
  // In a list of files, a range of rows may belong to any of them.
  if (!train.rows.empty() || !validation.rows.empty()) return;
  const std::set<std::string> trained(training.begin(), training.end());
  std::vector<std::string> shared;
  for (std::size_t i = 0; i < validating.size(); ++i)
    if (trained.contains(validating[i])) shared.push_back(validation.file[i]);
  if (!shared.empty())
    warnings.push_back(base::text("data.train and data.validation both read all rows of ",
                                  base::list_of_ten(shared), consequence));
}

}  // namespace

std::vector<std::string> source_warnings(config::DataConfig data) {
  std::vector<std::string> warnings;
  warn_of_repeats(data.train, "data.train", warnings);
  warn_of_repeats(data.validation, "data.validation", warnings);
  // A pattern of very many files stands for them only where they are compared.
  if (!data.validation.file.empty())
    for (config::SourceConfig* source : {&data.train, &data.validation})
      source->file = config::listed_files(source->file);
  warn_of_overlap(data.train, data.validation, warnings);
  return warnings;
}

}  // namespace vae_dist::run
