#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/durable_file.hpp"
#include "base/log.hpp"
#include "base/utf8.hpp"
#include "bench/bench_report.hpp"
#include "bench/preflight.hpp"
#include "bench/scaling_report.hpp"
#include "launcher/config_options.hpp"
#include "launcher/verbs.hpp"

namespace vae_dist::launcher {
namespace {

struct BenchOptions {
  ConfigChoice config;
  bench::BenchRequest request;
  bench::Interconnect links;
  bool alone = false, preflight = false, scale = false;
  std::string json;
};

void tell(const std::string& said, const nlohmann::json& figures, const BenchOptions& options,
          const comm::MpiWorld& world) {
  if (world.rank() != 0) return;
  std::cout << said << std::flush;
  if (!options.json.empty()) base::replace_file(options.json, base::json_text(figures, 2) + "\n");
}

base::ExitCode bench(BenchOptions options, const comm::MpiWorld& world) {
  log::configure(world.rank(), world.size(), log::Level::warn);
  options.request.exchange = !options.alone;
  const bench::BenchRequest& request = options.request;
  if (options.preflight) {
    const bench::Preflight found =
        bench::run_preflight(request.config_file, request.overrides, world);
    tell(bench::preflight_text(found), bench::preflight_json(found), options, world);
  } else if (options.scale) {
    const bench::Scaling found = bench::predict_scaling(
        {request.config_file, request.overrides, request.steps, request.warm_up, options.links},
        world);
    tell(bench::scaling_text(found), bench::scaling_json(found), options, world);
  } else {
    const bench::BenchResult found = bench::bench_training(request, world);
    tell(bench::bench_text(found), bench::bench_json(found), options, world);
  }
  return base::ExitCode::done;
}

}  // namespace

void add_bench_verb(CLI::App& app, VerbContext& context) {
  auto options = std::make_shared<BenchOptions>();
  bench::BenchRequest& request = options->request;
  CLI::App* verb = app.add_subcommand("bench",
                                      "Measure how fast a configuration trains here and where the "
                                      "time of a step goes; writes no run directory");
  add_config_options(*verb, context, options->config, "Configuration file (YAML)");
  add_device_of_config(*verb, options->config);
  verb->add_option("--steps", request.steps, "Number of measured steps")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_option("--warm-up", request.warm_up, "Number of steps before the measurement")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_flag(
      "--no-exchange", options->alone,
      "Train on each rank independently; the speed-up is the cost of the gradient exchange");
  verb->add_flag(
      "--profile", request.profile,
      "Show where the time of a step goes: data, forward, backward, exchange, optimizer, other");
  context.files.add_output(
      *verb, "--trace", request.trace_file,
      "Write rank 0's trace of three steps to this file (.json, for chrome://tracing or Perfetto)");
  CLI::Option* preflight =
      verb->add_flag("--preflight", options->preflight,
                     "Check the machines before a long job: measure the arithmetic and file "
                     "reading of each rank and the exchange, and name the slow rank");
  verb->add_flag("--scale", options->scale,
                 "Fit a model of the all-reduce and predict step times with up to 1,024 ranks: "
                 "a table predicted from measurements on the ranks of this call")
      ->excludes(preflight);
  bench::Interconnect& links = options->links;
  verb->add_option("--node-ranks", links.node_ranks, "For --scale: GPUs per node")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_option("--node-gbytes", links.node_gbytes_per_second,
                   "For --scale: bandwidth of a GPU within its node, GB/s")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_option("--net-gbytes", links.network_gbytes_per_second,
                   "For --scale: bandwidth of a node to other nodes, GB/s")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_option("--net-us", links.network_microseconds,
                   "For --scale: latency of a message between nodes, microseconds")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  context.files.add_output(*verb, "--json", options->json, "Also write the figures to this file");
  verb->footer("Example:\n  mpirun -np 2 vae_dist bench --config configs/shapes.yaml --profile");
  verb->callback([&context, options] {
    take_config_file(options->config);
    options->request.config_file = options->config.file;
    options->request.overrides = options->config.overrides;
    context.chosen = [&context, options] { return bench(*options, context.world); };
  });
}

}  // namespace vae_dist::launcher
