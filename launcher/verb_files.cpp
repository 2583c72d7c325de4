#include "launcher/verb_files.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <ranges>
#include <string_view>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "completion/completion_script.hpp"
#include "config/expand_paths.hpp"
#include "config/load_config.hpp"
#include "hdf5/file.hpp"

namespace vae_dist::launcher {
namespace {

namespace fs = std::filesystem;

bool was_chosen(const CLI::App* verb) { return verb->parsed(); }

void add_files_below(const fs::path& folder, std::vector<fs::path>& out) {
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code none;
    if (entry->is_regular_file(none)) out.push_back(entry->path());
  }
}

std::vector<std::string> files_of(const config::DataConfig& data) {
  std::vector<std::string> out = data.train.file;
  out.insert(out.end(), data.validation.file.begin(), data.validation.file.end());
  return config::listed_files(out);
}

// Returns the data files that a kept configuration names; none if it cannot be read.
std::vector<std::string> data_files_of_run(const fs::path& kept) {
  std::error_code error;
  if (!fs::exists(kept, error)) return {};
  try {
    return files_of(config::parse_kept_config(base::read_file(kept), kept.string()).config.data);
  } catch (const base::Error&) {
    return {};
  }
}

// Adds the files behind an input: a file itself, all files of a checkpoint, the files of a run that
// verbs read, and the data of both.
void add_files_of(const fs::path& input, std::vector<fs::path>& out) {
  std::error_code error;
  if (!fs::is_directory(input, error)) {
    out.push_back(input);
    return;
  }
  for (const std::string& file : data_files_of_run(input / "config.yaml")) out.emplace_back(file);
  if (fs::exists(input / "manifest.json", error)) {
    add_files_below(input, out);
  } else {
    for (const char* name : {"config.yaml", "metrics.jsonl", "environment.json", "lock.json"})
      out.push_back(input / name);
    for (const char* name : {"checkpoints", "pictures"}) add_files_below(input / name, out);
  }
}

// Adds the other files that HDF5 files take their values from: external raw files, sources of
// virtual datasets, files behind links. Skips an unreadable file; the verb will report it.
void add_sources(std::vector<fs::path>& files) {
  constexpr std::string_view kHdf5Names[] = {".h5", ".hdf5", ".he5", ".mat", ".nc"};
  for (std::size_t i = 0, count = files.size(); i < count; ++i) {
    const std::string extension = files[i].extension().string();
    if (std::find(std::begin(kHdf5Names), std::end(kHdf5Names), extension) == std::end(kHdf5Names))
      continue;
    try {
      for (const std::string& source : hdf5::source_files_of(files[i].string()))
        files.emplace_back(source);
    } catch (const base::Error&) {
      continue;  // whoever opens the file reports what is wrong with it
    }
  }
}

// Returns whether two paths lead to the same file, through hard or symbolic links.
bool is_one_file(const fs::path& one, const fs::path& other) {
  std::error_code error;
  return fs::equivalent(one, other, error) && !error;
}

[[noreturn]] void refuse(const std::string& option, const fs::path& path, const std::string& why) {
  throw base::BadInput(base::text(option, option.empty() ? "" : " ", path.string(), ": ", why));
}

void refuse_if_read(const std::string& option, const fs::path& path,
                    const std::vector<fs::path>& read) {
  for (const fs::path& file : read)
    if (is_one_file(path, file))
      refuse(option, path,
             base::text("cannot write to this file, because it is also read",
                        file == path ? "" : base::text(" as ", file.string()),
                        "; choose another name"));
}

}  // namespace

std::vector<std::string> data_files(const fs::path& config_file,
                                    const std::vector<std::string>& overrides) {
  std::error_code error;
  if (!fs::exists(config_file, error)) return {};
  try {
    return files_of(config::load_config(config_file.string(), overrides).data);
  } catch (const base::BadInput&) {
    return {};
  }
}

VerbFiles::~VerbFiles() {
  for (const auto& folder : made_ | std::views::reverse)
    ::rmdir(folder.c_str());  // fails, as intended, if the folder is not empty
}

CLI::Option* VerbFiles::add_output(CLI::App& verb, const std::string& option, std::string& path,
                                   const std::string& help) {
  CLI::Option* added = verb.add_option(option, path, help)->type_name(completion::kFile);
  add_outputs(verb, option.starts_with("-") ? option.substr(0, option.find(',')) : "",
              path_of(path));
  return added;
}

void VerbFiles::add_outputs(CLI::App& verb, const std::string& option, Paths paths) {
  outputs_.push_back({&verb, option, std::move(paths)});
  add_overwrite(verb);
}

void VerbFiles::add_inputs(CLI::App& verb, Paths paths) {
  inputs_.push_back({&verb, "", std::move(paths)});
}

void VerbFiles::add_overwrite(CLI::App& verb) {
  if (verb.get_option_no_throw("--overwrite") != nullptr) return;
  verb.add_flag("--overwrite", overwrite_,
                "Replace existing output files; without it they are refused");
}

std::vector<VerbFiles::Output> VerbFiles::outputs() const {
  std::vector<Output> out;
  for (const Declared& declared : outputs_) {
    if (!was_chosen(declared.verb)) continue;
    for (const std::string& path : declared.paths())
      if (!path.empty()) out.push_back({declared.option, path});
  }
  return out;
}

bool VerbFiles::has_outputs() const { return !outputs().empty(); }

void VerbFiles::make_folder(const Output& output) {
  const fs::path folder = output.path.has_parent_path() ? output.path.parent_path() : fs::path(".");
  std::vector<fs::path> missing;
  std::error_code error;
  for (fs::path each = folder; !each.empty() && !fs::exists(each, error); each = each.parent_path())
    missing.push_back(each);
  fs::create_directories(folder, error);
  if (error)
    refuse(output.option, output.path,
           base::text("cannot create the folder ", folder.string(), ": ", error.message()));
  made_.insert(made_.end(), missing.rbegin(), missing.rend());
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    refuse(output.option, output.path,
           base::text("cannot write to the folder ", folder.string(), ": ", std::strerror(errno)));
}

void VerbFiles::check() {
  const std::vector<Output> all = outputs();
  std::vector<fs::path> read;
  for (const Declared& declared : inputs_) {
    if (!was_chosen(declared.verb)) continue;
    for (const std::string& path : declared.paths())
      if (!path.empty()) add_files_of(path, read);
  }
  const bool replaces = std::any_of(all.begin(), all.end(),
                                    [](const Output& output) { return fs::exists(output.path); });
  if (replaces) add_sources(read);
  for (const Output& output : all) {
    refuse_if_read(output.option, output.path, read);
    std::error_code error;
    if (fs::is_directory(output.path, error))
      refuse(output.option, output.path,
             "cannot write to it, because it is a directory; name a file");
    const auto same = std::count_if(all.begin(), all.end(), [&](const Output& other) {
      return other.path.lexically_normal() == output.path.lexically_normal() ||
             is_one_file(other.path, output.path);
    });
    if (same > 1)
      refuse(output.option, output.path, "two options write to this file; give each its own name");
    const fs::file_status there = fs::symlink_status(output.path, error);
    if (!fs::exists(there)) continue;
    if (!fs::is_symlink(there) && !fs::is_regular_file(there))
      refuse(output.option, output.path, "cannot write to it, because it is not a regular file");
    if (!overwrite_)
      refuse(output.option, output.path,
             "the file already exists and was left unchanged; choose another name, or give "
             "--overwrite to replace it");
  }
  for (const Output& output : all) make_folder(output);
}

}  // namespace vae_dist::launcher
