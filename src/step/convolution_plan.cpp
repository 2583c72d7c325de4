#include "step/convolution_plan.hpp"

#include <ATen/ATen.h>

#include <chrono>
#include <stdexcept>

#include "base/error.hpp"
#include "base/keep_freed_memory.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "comm/agreement.hpp"
#include "kernels/convolution_check.hpp"
#include "kernels/convolution_timing.hpp"
#include "kernels/instruction_set.hpp"
#include "step/make_model.hpp"
#include "step/out_of_memory.hpp"

namespace vae_dist::step {
namespace {

using kernels::ConvolutionChoice;

double seconds_of_the_steady_clock() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// The type in which the run's convolutions compute.
at::ScalarType type_of(const config::Config& config) {
  return config.train.precision == config::Precision::bf16 ? at::kBFloat16 : at::kFloat;
}

// Convolutions have ways in fp32 on a CPU, and in bf16 where it has no other instructions for it
// than ours. Elsewhere no batch is computed to ask for them.
bool has_ways(Learner& learner, const config::Config& config) {
  const at::Tensor parameter = learner.model().parameters().front();
  return parameter.is_cpu() && parameter.scalar_type() == at::kFloat &&
         !(type_of(config) == at::kBFloat16 &&
           kernels::bfloat16_products() == kernels::Bfloat16Products::other);
}

// Returns the shapes that the convolutions ask for.
std::vector<kernels::ConvolutionShape> shapes_of_a_batch(Learner& learner) {
  const auto choice = std::make_shared<ConvolutionChoice>();
  learner.model().use_convolutions(choice);
  learner.run_blank_batch();
  return choice->shapes_asked();
}

// Returns the ways that `choice` gives these shapes in training.
ConvolutionChoice::ByShape ways_of(ConvolutionChoice&& choice,
                                   const std::vector<kernels::ConvolutionShape>& shapes,
                                   at::ScalarType type) {
  ConvolutionChoice::ByShape out;
  for (const kernels::ConvolutionShape& shape : shapes)
    out.emplace(shape, choice.ways(shape, type));
  return out;
}

using Plan = ConvolutionChoice::Written;

// Runs `work`, and returns on every rank whether all had the memory for it. A collective.
bool fits(comm::CpuCommunicator& all_ranks, const std::function<void()>& work) {
  bool lacks = false;
  try {
    work();
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    lacks = true;
  }
  return !comm::on_any_rank(all_ranks, lacks);
}

Plan chosen(const std::vector<kernels::ConvolutionShape>& shapes,
            const ConvolutionPlanRequest& request, comm::CpuCommunicator& all_ranks) {
  const config::Convolutions wanted = request.config.train.convolutions;
  if (wanted != config::Convolutions::automatic) return {convolution_choice(wanted)->forced(), {}};
  double operations = 0;
  for (const kernels::ConvolutionShape& shape : shapes) operations += shape.operations();
  if (request.config.distributed.reproducible || operations < request.least_operations)
    return {{}, ways_of(ConvolutionChoice(), shapes, type_of(request.config))};
  const kernels::TimingOptions timing{request.clock ? request.clock : seconds_of_the_steady_clock};
  ConvolutionChoice::ByShape measured;
  if (!fits(all_ranks,
            [&] { measured = kernels::fastest_ways(shapes, type_of(request.config), timing); }))
    return {{}, ways_of(ConvolutionChoice(), shapes, type_of(request.config))};
  return {{}, measured};
}

Plan read_plan(const std::string& written, comm::CpuCommunicator& all_ranks) {
  Plan plan;
  comm::agree(all_ranks, [&] {
    try {
      plan = ConvolutionChoice::parse_json(written);
    } catch (const std::invalid_argument& error) {
      throw base::BadInput(base::text(
          "the run's convolutions.json cannot be read: ", error.what(),
          ". Remove it to choose anew; the run then goes on with equal results up to rounding"));
    }
  });
  return plan;
}

// Takes LibTorch's way for each product that differs on any rank. A collective.
void take_back_what_differs(Plan& plan, const std::vector<kernels::ConvolutionShape>& shapes,
                            const ConvolutionPlanRequest& request,
                            comm::CpuCommunicator& all_ranks) {
  const at::ScalarType type = type_of(request.config);
  const ConvolutionChoice::ByShape wanted = ways_of(ConvolutionChoice(plan), shapes, type);
  ConvolutionChoice::ByShape mine = wanted;
  if (!fits(all_ranks, [&] {
        for (const kernels::DifferingWay& each :
             kernels::differing_ways(wanted, type, request.convolve))
          mine.at(each.shape).of(each.direction) = kernels::ConvolutionWay::onednn;
      })) {
    plan = {kernels::ConvolutionWay::onednn, {}};
    return;
  }

  ConvolutionChoice::ByShape agreed = wanted;
  for (const std::string& of_rank :
       comm::all_gather_text(all_ranks, ConvolutionChoice(mine).to_json()))
    for (const auto& [shape, ways] : ConvolutionChoice::parse_json(of_rank).by_shape)
      for (const kernels::ConvolutionDirection direction : kernels::kConvolutionDirections)
        if (ways.of(direction) != wanted.at(shape).of(direction))
          agreed.at(shape).of(direction) = kernels::ConvolutionWay::onednn;
  if (agreed == wanted) return;
  std::string names;
  for (const auto& [shape, ways] : agreed) {
    if (ways == wanted.at(shape)) continue;
    plan.by_shape[shape] = ways;
    for (const kernels::ConvolutionDirection direction : kernels::kConvolutionDirections)
      if (ways.of(direction) != wanted.at(shape).of(direction))
        names += base::text("\n  ", shape.text(), ": ", kernels::word(direction), " by ",
                            kernels::word(wanted.at(shape).of(direction)));
  }
  if (plan.forced)
    throw comm::AgreedError(
        base::ExitCode::bad_input,
        base::text("train.convolutions is ", kernels::word(*plan.forced),
                   ", which on this machine computes other numbers than LibTorch:", names,
                   "\nUse train.convolutions=onednn here, and report it, please"));
  if (all_ranks.rank() == 0)
    log::warn(
        base::text("on this machine these convolutions differ from LibTorch's by more than "
                   "rounding, so LibTorch computes them; report it, please:",
                   names));
}

}  // namespace

std::string plan_convolutions(Learner& learner, const ConvolutionPlanRequest& request,
                              comm::CpuCommunicator& all_ranks) {
  const std::string kept = comm::broadcast_text(all_ranks, request.kept);
  // CPUs of a job may differ in their instructions for bfloat16.
  if (comm::on_any_rank(all_ranks, !has_ways(learner, request.config))) return "";
  std::vector<kernels::ConvolutionShape> shapes;
  // Where there is no memory for this, there is none for a step, whose error says what to do.
  if (!fits(all_ranks, [&] { shapes = shapes_of_a_batch(learner); })) return "";
  const std::string written =
      kept.empty() ? comm::broadcast_text(
                         all_ranks, ConvolutionChoice(chosen(shapes, request, all_ranks)).to_json())
                   : kept;
  Plan plan = read_plan(written, all_ranks);
  take_back_what_differs(plan, shapes, request, all_ranks);
  const auto choice = std::make_shared<ConvolutionChoice>(plan);
  learner.model().use_convolutions(choice);
  base::give_back_freed_memory();  // blocks of other sizes than those of steps
  return shapes.empty() ? "" : choice->to_json();
}

}  // namespace vae_dist::step
