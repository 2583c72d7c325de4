// A program for mpirun whose ranks sum gradients step after step, until rank 1 throws inside the
// backward pass of step 5. A test checks how all ranks end.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/variable.h>

#include "../failing_rank.hpp"
#include "comm/logged_communicator.hpp"
#include "parallel/gradient_reducer.hpp"

namespace vae_dist::step {
namespace {

// y = x, but its backward pass throws.
struct Broken : torch::autograd::Function<Broken> {
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& x) {
    return x.clone();
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 const torch::autograd::variable_list&) {
    throw std::runtime_error("thrown inside the backward pass of step 5");
  }
};

void train(const comm::MpiWorld& world, comm::CpuCommunicator& all_ranks, comm::CollectiveLog& log,
           comm::Watchdog& watchdog) {
  parallel::NamedTensors leaves;
  for (int i = 0; i < 6; ++i)
    leaves.emplace_back("leaf" + std::to_string(i), at::ones({300 + 40 * i}).requires_grad_());
  parallel::ParameterArena arena(leaves, false);
  const at::Tensor statistics = at::zeros({4});
  const auto comm = all_ranks.duplicate();
  parallel::ReducerOptions options;
  options.caps = {.first_bytes = 1000, .bytes = 3000};
  parallel::GradientReducer reducer(
      {arena, leaves, statistics,
       parallel::make_cpu_exchange(*comm, comm::SumOrder::fast, {log, "gradients"})},
      options);

  for (int step = 1;; ++step) {
    watchdog.enter("forward, backward and gradient exchange", step, base::Seconds(600));
    reducer.begin_step();
    at::Tensor loss = at::zeros({});
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      // Throws in the middle: earlier buckets are being summed, later ones never start.
      const bool breaks = world.rank() == 1 && step == 5 && i == 3;
      loss = loss + (breaks ? Broken::apply(leaves[i].second) : leaves[i].second).square().sum();
    }
    reducer.batch_forwarded();
    loss.backward();
    reducer.batch_done();
    reducer.finish();
  }
}

}  // namespace
}  // namespace vae_dist::step

int main(int argc, char** argv) {
  using namespace vae_dist;
  using namespace vae_dist::step;
  FailingRank rank(argc, argv);
  try {
    train(rank.world, *rank.all_ranks, rank.log, rank.failure.watchdog());
  } catch (const std::exception& error) {
    rank.failure.end_all_ranks(error);
  }
}
