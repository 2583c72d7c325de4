#include "report/run_report_file.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "base/utc_text.hpp"
#include "base/utf8.hpp"
#include "config/key_table.hpp"
#include "config/load_config.hpp"
#include "metrics/step_terms.hpp"

namespace vae_dist::report {
namespace {

// Limits on the number and bytes of pictures of each kind, spread over the run, so that the page
// opens quickly however long the run is.
constexpr std::size_t kPicturesShown = 12;
constexpr std::uintmax_t kPictureBytes = 4 << 20;

std::vector<ConfigRow> config_rows(const std::filesystem::path& file) {
  config::Config config = config::parse_kept_config(base::read_file(file), file.string()).config;
  std::vector<ConfigRow> rows;
  for (const base::Key& key : config::key_table(config))
    rows.push_back({key.name, config::value_text(key), key.required ? "required" : key.default_text,
                    key.meaning, base::counts(key)});
  return rows;
}

// {"torch": "2.11.0", "hosts": "node1, node2"}: names and values as displayed.
std::vector<std::pair<std::string, std::string>> environment_rows(
    const std::filesystem::path& file) {
  std::vector<std::pair<std::string, std::string>> rows;
  if (!std::filesystem::exists(file)) return rows;
  const auto object =
      nlohmann::ordered_json::parse(base::read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return rows;
  for (const auto& [name, value] : object.items())
    rows.emplace_back(name, value.is_string() ? value.get<std::string>() : base::json_text(value));
  return rows;
}

struct PictureFile {
  std::int64_t step;
  std::filesystem::path path;
  std::uintmax_t bytes;
};

// "reconstructions_00000500.png" is of the kind "Reconstructions", step 500. Other files are
// ignored.
std::map<std::string, std::vector<PictureFile>> picture_files(const std::filesystem::path& folder) {
  std::map<std::string, std::vector<PictureFile>> kinds;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().stem().string();
    const std::size_t underscore = name.rfind('_');
    if (entry.path().extension() != ".png" || underscore == std::string::npos || underscore == 0)
      continue;
    const std::string digits = name.substr(underscore + 1);
    const bool number =
        !digits.empty() && digits.size() <= 18 &&
        std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isdigit(c); });
    const std::uintmax_t bytes = number ? entry.file_size(error) : 0;
    if (!number || error) continue;
    std::string kind = name.substr(0, underscore);
    std::replace(kind.begin(), kind.end(), '_', ' ');
    kind[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(kind[0])));
    kinds[kind].push_back({std::stoll(digits), entry.path(), bytes});
  }
  for (auto& [kind, files] : kinds)
    std::sort(files.begin(), files.end(), [](const PictureFile& left, const PictureFile& right) {
      return left.step < right.step;
    });
  return kinds;
}

// Returns `count` of the indices 0 .. size - 1, evenly spread, including the last.
std::vector<std::size_t> spread(std::size_t size, std::size_t count) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back(count == 1 ? size - 1 : i * (size - 1) / (count - 1));
  return out;
}

std::vector<ReportPictures> read_pictures(const std::filesystem::path& folder) {
  std::vector<ReportPictures> out;
  for (const auto& [kind, files] : picture_files(folder)) {
    std::uintmax_t largest = 1;
    for (const PictureFile& file : files) largest = std::max(largest, file.bytes);
    const std::size_t affordable = std::max<std::size_t>(1, kPictureBytes / largest);
    const std::size_t count = std::min({files.size(), kPicturesShown, affordable});
    ReportPictures pictures{kind, {}, files.size() - count};
    for (const std::size_t i : spread(files.size(), count))
      pictures.pictures.push_back(
          {base::text("step ", files[i].step), base::read_file(files[i].path)});
    out.push_back(std::move(pictures));
  }
  return out;
}

std::filesystem::path without_last_slash(const std::filesystem::path& directory) {
  const std::filesystem::path plain = directory.lexically_normal();
  return plain.has_filename() ? plain : plain.parent_path();
}

}  // namespace

RunReportFile::RunReportFile(const std::filesystem::path& directory)
    : directory_(without_last_slash(directory)), log_(directory_ / "metrics.jsonl") {
  run_.origin = directory_.string();
  const std::filesystem::path name = directory_.filename();
  run_.name = name.empty() || name == "." || name == ".."
                  ? std::filesystem::absolute(directory_).lexically_normal().filename().string()
                  : name.string();
}

const RunRecord& RunReportFile::read() {
  if (!std::filesystem::exists(directory_ / "metrics.jsonl"))
    throw base::BadInput(base::text(
        directory_.string(),
        " is not a run directory: it has no metrics.jsonl. Give a directory such as runs/mnist."));
  log_.read_into(run_);
  run_.config.clear();
  run_.config_problem.clear();
  try {
    if (std::filesystem::exists(directory_ / "config.yaml"))
      run_.config = config_rows(directory_ / "config.yaml");
  } catch (const base::BadInput& error) {
    run_.config_problem =
        error.what();  // written by another version; the curves can still be shown
  }
  run_.terms = metrics::read_terms(directory_ / "terms.json");
  run_.environment = environment_rows(directory_ / "environment.json");
  run_.pictures = read_pictures(directory_ / "pictures");
  return run_;
}

void RunReportFile::write() {
  run_report(std::span(&read(), 1), base::utc_now("%Y-%m-%d %H:%M UTC"))
      .write(directory_ / "report.html");
}

void write_run_report(const std::filesystem::path& directory) { RunReportFile(directory).write(); }

void write_comparison_report(std::span<const std::filesystem::path> directories,
                             const std::filesystem::path& out) {
  std::vector<RunRecord> runs;
  for (const std::filesystem::path& directory : directories)
    runs.push_back(RunReportFile(directory).read());
  // Runs with the same name in different directories are labelled with their directory.
  const std::vector<RunRecord> named = runs;
  for (RunRecord& run : runs)
    if (std::count_if(named.begin(), named.end(),
                      [&](const RunRecord& other) { return other.name == run.name; }) > 1)
      run.name = run.origin;
  run_report(runs, base::utc_now("%Y-%m-%d %H:%M UTC")).write(out);
}

}  // namespace vae_dist::report
