#include <iostream>
#include <memory>

#include "launcher/verbs.hpp"
#include "train/run/run_report_file.hpp"

namespace vae_dist {
namespace {

struct ReportOptions {
  std::vector<std::filesystem::path> runs;
  std::string out;
};

void write_report(const ReportOptions& options) {
  if (options.runs.size() == 1 && options.out.empty()) {
    write_run_report(options.runs[0]);
    std::cout << "the report is " << (options.runs[0] / "report.html").string() << "\n";
    return;
  }
  const std::string out = options.out.empty() ? "report.html" : options.out;
  write_comparison_report(options.runs, out);
  std::cout << "the report is " << out << "\n";
}

}  // namespace

void add_report_verb(CLI::App& app, VerbContext& context) {
  auto options = std::make_shared<ReportOptions>();
  CLI::App* verb = app.add_subcommand("report", "Put a run's curves, pictures and configuration on one page, or several runs' on top of each other");
  verb->add_option("runs", options->runs, "Directories of runs")->required();
  verb->add_option("--out", options->out, "Where to (default: report.html in the run's directory; of several runs, report.html here)");
  verb->footer("Examples:\n  vae_dist report runs/mnist\n  vae_dist report runs/beta_1 runs/beta_4 --out betas.html");
  verb->callback([&context, options] { context.chosen = on_one_rank(context, [options] { write_report(*options); }); });
}

}  // namespace vae_dist
