#include <iostream>
#include <memory>

#include "launcher/verbs.hpp"
#include "report/run_report_file.hpp"

namespace vae_dist::launcher {
namespace {

struct ReportOptions {
  std::vector<std::filesystem::path> runs;
  std::string out;
};

// Returns the output path; empty stands for the run's own page, which training keeps current and
// which this verb may always replace.
std::string page_of(const ReportOptions& options) {
  const bool own =
      options.runs.size() == 1 &&
      (options.out.empty() || std::filesystem::path(options.out).lexically_normal() ==
                                  (options.runs[0] / "report.html").lexically_normal());
  return own ? "" : options.out.empty() ? "report.html" : options.out;
}

void write_report(const ReportOptions& options) {
  if (page_of(options).empty()) {
    report::write_run_report(options.runs[0]);
    std::cout << "the report is " << (options.runs[0] / "report.html").string() << "\n";
    return;
  }
  report::write_comparison_report(options.runs, page_of(options));
  std::cout << "the report is " << page_of(options) << "\n";
}

}  // namespace

void add_report_verb(CLI::App& app, VerbContext& context) {
  auto options = std::make_shared<ReportOptions>();
  CLI::App* verb = app.add_subcommand("report",
                                      "Show the curves, pictures and configuration of a run on one "
                                      "page, or overlay those of several runs");
  verb->add_option("runs", options->runs, "Run directories")
      ->type_name(completion::kFolder)
      ->required();
  verb->add_option("--out", options->out,
                   "Output file (default: report.html in the run's directory; for several runs, "
                   "report.html in the current directory)")
      ->type_name(completion::kFile);
  context.files.add_outputs(*verb, "--out",
                            [options] { return std::vector<std::string>{page_of(*options)}; });
  context.files.add_inputs(*verb, [options] {
    std::vector<std::string> read;
    for (const std::filesystem::path& run : options->runs) read.push_back(run.string());
    return read;
  });
  verb->footer(
      "Examples:\n  vae_dist report runs/mnist\n  vae_dist report runs/beta_1 runs/beta_4 --out "
      "betas.html");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [options] { write_report(*options); });
  });
}

}  // namespace vae_dist::launcher
