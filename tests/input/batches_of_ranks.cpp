// Makes training batches as a run does, at any number of ranks (as threads), and writes out what
// the model sees of them, for a test that compares it with another reader's result.
//
// Reads cases from stdin, each a line of JSON:
//   {"config": "data: {...}", "ranks": 4, "cache": "memory" | "stream" | "sections",
//    "epoch": 0, "step": 0, "steps": 3, "out": "FILE"}
// cache: the samples lie in memory that the ranks share, are streamed, or each rank keeps the
// sections of its replicas in memory. The configuration fixes data.order, data.sections and the
// number of replicas. FILE receives the batches [steps * G, C, space...] as float64, in the order
// of steps and then of replicas. A line of JSON on stdout tells which samples they are, or the
// error.
#include <ATen/ATen.h>

#include <fstream>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>

#include "comm/agreement.hpp"
#include "comm/thread_communicator.hpp"
#include "config/load_config.hpp"
#include "input/open_data.hpp"
#include "input/training_batches.hpp"

using namespace vae_dist;

namespace {

nlohmann::json run_case(const nlohmann::json& wanted) {
  const config::Config config = config::parse_config(wanted.at("config"), "case");
  const auto steps = wanted.at("steps").get<std::int64_t>(),
             epoch = wanted.at("epoch").get<std::int64_t>(),
             first = wanted.at("step").get<std::int64_t>();
  const std::int64_t batch = config.train.global_batch;
  std::vector<double> values;
  std::vector<std::int64_t> samples(static_cast<std::size_t>(steps * batch)), sizes;
  std::string fingerprint, normalisation;
  std::mutex mutex;
  comm::run_thread_ranks(wanted.at("ranks"), [&](comm::CpuCommunicator& ranks) {
    data::SampleDataset train = input::open_source(config, config.data.train, "data.train");
    const input::ReplicaPlan plan = input::make_replica_plan(
        batch, *config.distributed.replicas, ranks.size(), ranks.rank(), train.size());
    if (wanted.at("cache") == "memory") train.cache(ranks, ranks, {.threads = 2});
    const std::string found = input::find_normalisation(config, train, ranks, 2);
    input::use_normalisation(train, found);
    if (wanted.at("cache") == "sections")
      train.cache_sections(input::order_plan(config, plan), plan.own_replicas(), {});
    const data::InputFormat format = input::input_format(config, train, c10::kCPU);
    const auto loader =
        input::training_batches({config, train, plan, 0, c10::kCPU, ranks, ranks}, epoch, first);
    const std::size_t own = static_cast<std::size_t>(plan.samples_per_rank()),
                      one = static_cast<std::size_t>(train.shape().values());
    for (std::int64_t step = 0; step < steps; ++step) {
      const data::Batch made = loader->next();
      const at::Tensor x =
          data::model_input(made.pixels, format).contiguous(at::MemoryFormat::Contiguous);
      const std::lock_guard lock(mutex);
      if (values.empty()) {
        sizes.assign(x.sizes().begin() + 1, x.sizes().end());
        values.resize(samples.size() * one);
        fingerprint = train.fingerprint();
        normalisation = found;
      }
      const auto place = static_cast<std::size_t>(step * batch + plan.first_sample());
      std::copy_n(x.const_data_ptr<double>(), own * one, values.begin() + place * one);
      std::copy_n(made.samples.begin(), own, samples.begin() + place);
    }
    comm::agree(ranks, [] {});  // the others may still need what this rank decodes
  });
  std::ofstream(wanted.at("out").get<std::string>(), std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data()),
             static_cast<std::streamsize>(values.size() * sizeof(double)));
  return {{"samples", samples},
          {"shape", sizes},
          {"fingerprint", fingerprint},
          {"normalisation", normalisation}};
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    nlohmann::json said;
    try {
      said = run_case(nlohmann::json::parse(line));
    } catch (const std::exception& error) {
      said = {{"error", error.what()}};
    }
    std::cout << said.dump() << std::endl;
  }
}
