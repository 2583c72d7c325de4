// One update of all parameters by each rule, over the flat arena. items: parameters.
#include "optimizer/optimizer.hpp"

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include "optimizer/update_rules.hpp"

namespace vae_dist::bench {
namespace {

void update(benchmark::State& state, const std::string& rule) {
  const at::Tensor parameter = at::zeros({state.range(0)}).requires_grad_();
  const parallel::ParameterArena arena({{"weight", parameter}}, /*channels_last=*/false);
  arena.gradients().fill_(0.01);
  config::OptimizerConfig options;
  options.rule.name = rule;
  if (rule == "sgd") options.rule.settings_of<optimizer::SgdSettings>("sgd").momentum = 0.9;
  const auto optimizer = optimizer::make_optimizer(arena, options);
  const at::Tensor take = at::zeros({1});
  for ([[maybe_unused]] auto _ : state) optimizer->step(1e-3, take);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

// The number of parameters of a small model, and of a large one that no cache holds.
void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("parameters")->Arg(1'000'000)->Arg(23'000'000)->Unit(benchmark::kMillisecond);
}

BENCHMARK_CAPTURE(update, adam, "adam")->Name("optimizer/adam")->Apply(sizes);
BENCHMARK_CAPTURE(update, adamw, "adamw")->Name("optimizer/adamw")->Apply(sizes);
BENCHMARK_CAPTURE(update, adamax, "adamax")->Name("optimizer/adamax")->Apply(sizes);
BENCHMARK_CAPTURE(update, sgd, "sgd")->Name("optimizer/sgd")->Apply(sizes);

}  // namespace
}  // namespace vae_dist::bench
