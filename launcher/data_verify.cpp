#include <algorithm>
#include <iostream>

#include "base/list_of_ten.hpp"
#include "datasets/verify.hpp"
#include "hdf5/dataset.hpp"
#include "launcher/data_verbs.hpp"

namespace vae_dist::launcher {
namespace {

std::string numbers_text(const datasets::Numbers& numbers) {
  std::string out;
  if (numbers.any_finite())
    out += base::text(", ", datasets::number_text(numbers.least), " to ",
                      datasets::number_text(numbers.greatest));
  if (numbers.not_a_number > 0) out += base::text(", ", numbers.not_a_number, " NaN");
  if (numbers.infinite > 0) out += base::text(", ", numbers.infinite, " infinite");
  return out;
}

// Returns each finding with its file, dataset and chunk. Factors may be NaN if they are unknown;
// images may not.
std::vector<std::string> findings_of(const std::string& file,
                                     const datasets::VerifiedDataset& seen) {
  std::vector<std::string> out;
  const std::string location = base::text(file, ", dataset '", seen.path, "'");
  if (!seen.unreadable.empty()) out.push_back(seen.unreadable);
  if (!seen.first_out_of_range.empty()) out.push_back(seen.first_out_of_range);
  for (const std::string& damage : seen.damage) out.push_back(base::text(location, ", ", damage));
  if (seen.image_shaped && !seen.first_not_finite.empty())
    out.push_back(base::text(location, ", ", seen.first_not_finite, ": the first of ",
                             seen.numbers.not_a_number, " NaN and ", seen.numbers.infinite,
                             " infinite values"));
  return out;
}

void run(const std::string& file) {
  std::vector<std::string> findings;
  for (const datasets::VerifiedDataset& seen : datasets::verify(file)) {
    if (seen.unreadable.empty())
      std::cout << seen.path << ": " << seen.type << " " << hdf5::shape_text(seen.shape) << ", "
                << seen.chunks << " chunks read, " << seen.damage.size() << " damaged"
                << numbers_text(seen.numbers) << "; checked by " << seen.checksum << "\n";
    const std::vector<std::string> found = findings_of(file, seen);
    findings.insert(findings.end(), found.begin(), found.end());
  }
  if (findings.empty()) {
    std::cout << file << " is intact\n";
    return;
  }
  throw base::BadInput(base::text(file, " is damaged; download or create it again:\n  ",
                                  base::list_of_ten(findings, "\n  ")));
}

}  // namespace

void add_data_verify(CLI::App& data, VerbContext& context) {
  auto file = std::make_shared<std::string>();
  CLI::App* verb = data.add_subcommand(
      "verify", "Read every chunk of an HDF5 file and check checksums, NaN and range");
  verb->add_option("file", *file, "HDF5 file")->type_name(completion::kFile)->required();
  verb->footer(
      "The exit code is 2 if a chunk is damaged or an image contains NaN.\nExample:\n  vae_dist "
      "data verify shapes.h5");
  verb->callback(
      [&context, file] { context.chosen = on_one_rank(context, [file] { run(*file); }); });
}

}  // namespace vae_dist::launcher
