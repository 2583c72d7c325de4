#include "step/convolution_plan.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <chrono>
#include <stdexcept>

#include "base/error.hpp"
#include "base/text.hpp"
#include "comm/agreement.hpp"
#include "kernels/convolution_timing.hpp"
#include "step/make_model.hpp"

namespace vae_dist::step {
namespace {

using kernels::ConvolutionChoice;

double seconds_of_the_steady_clock() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// Returns the shapes that the convolutions ask for.
std::vector<kernels::ConvolutionShape> shapes_of_a_batch(Learner& learner) {
  const auto choice = std::make_shared<ConvolutionChoice>();
  learner.model().use_convolutions(choice);
  learner.run_blank_batch();
  return choice->shapes_asked();
}

ConvolutionChoice::ByShape from_the_table(const std::vector<kernels::ConvolutionShape>& shapes,
                                          at::ScalarType type) {
  ConvolutionChoice::ByShape out;
  for (const kernels::ConvolutionShape& shape : shapes)
    out.emplace(shape, kernels::ways_from_table(shape, type, kernels::instruction_set(),
                                                at::get_num_threads()));
  return out;
}

std::shared_ptr<ConvolutionChoice> choose(Learner& learner, const ConvolutionPlanRequest& request,
                                          comm::CpuCommunicator& all_ranks) {
  if (request.config.train.convolutions != config::Convolutions::automatic)
    return convolution_choice(request.config.train.convolutions);
  const std::vector<kernels::ConvolutionShape> shapes = shapes_of_a_batch(learner);
  if (shapes.empty()) return std::make_shared<ConvolutionChoice>();
  if (request.config.distributed.reproducible)
    return std::make_shared<ConvolutionChoice>(from_the_table(shapes, at::kFloat));
  const kernels::TimingOptions timing{request.clock ? request.clock : seconds_of_the_steady_clock};
  const ConvolutionChoice fastest(kernels::fastest_ways(shapes, at::kFloat, timing));
  return std::make_shared<ConvolutionChoice>(
      ConvolutionChoice::parse_json(comm::broadcast_text(all_ranks, fastest.to_json())));
}

}  // namespace

std::string plan_convolutions(Learner& learner, const ConvolutionPlanRequest& request,
                              comm::CpuCommunicator& all_ranks) {
  const std::string kept = comm::broadcast_text(all_ranks, request.kept);
  std::shared_ptr<ConvolutionChoice> choice;
  if (kept.empty()) {
    choice = choose(learner, request, all_ranks);
  } else {
    comm::agree(all_ranks, [&] {
      try {
        choice = std::make_shared<ConvolutionChoice>(ConvolutionChoice::parse_json(kept));
      } catch (const std::invalid_argument& error) {
        throw base::BadInput(base::text(
            "the run's convolutions.json cannot be read: ", error.what(),
            ". Remove it to choose anew; the run then goes on with equal results up to rounding"));
      }
    });
  }
  learner.model().use_convolutions(choice);
  return choice->forced() || !choice->by_shape().empty() ? choice->to_json() : "";
}

}  // namespace vae_dist::step
