#include "step/convolution_plan.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <chrono>
#include <set>
#include <sstream>
#include <stdexcept>

#include "base/error.hpp"
#include "base/keep_freed_memory.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "comm/agreement.hpp"
#include "kernels/convolution_check.hpp"
#include "kernels/convolution_timing.hpp"
#include "step/make_model.hpp"
#include "step/out_of_memory.hpp"

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
    return {{}, from_the_table(shapes, at::kFloat)};
  const kernels::TimingOptions timing{request.clock ? request.clock : seconds_of_the_steady_clock};
  ConvolutionChoice::ByShape measured;
  if (!fits(all_ranks, [&] { measured = kernels::fastest_ways(shapes, at::kFloat, timing); }))
    return {{}, from_the_table(shapes, at::kFloat)};
  const ConvolutionChoice fastest(std::move(measured));
  return ConvolutionChoice::parse_json(comm::broadcast_text(all_ranks, fastest.to_json()));
}

Plan written_down(const std::string& kept, comm::CpuCommunicator& all_ranks) {
  Plan plan;
  comm::agree(all_ranks, [&] {
    try {
      plan = ConvolutionChoice::parse_json(kept);
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
                            const kernels::Convolve& convolve, comm::CpuCommunicator& all_ranks) {
  ConvolutionChoice::ByShape used;
  ConvolutionChoice choice(plan);
  for (const kernels::ConvolutionShape& shape : shapes)
    used[shape] = choice.ways(shape, at::kFloat);
  std::string mine;
  if (!fits(all_ranks, [&] {
        for (const kernels::DifferingWay& each :
             kernels::differing_ways(used, at::kFloat, convolve))
          mine += base::text(static_cast<int>(each.direction), " ", each.shape.text(), "\n");
      })) {
    plan = {kernels::ConvolutionWay::onednn, {}};
    return;
  }

  std::set<std::string> differing;
  for (const std::string& of_rank : comm::all_gather_text(all_ranks, mine)) {
    std::istringstream lines(of_rank);
    for (std::string line; std::getline(lines, line);) differing.insert(line);
  }
  if (differing.empty()) return;
  std::string names;
  for (const std::string& line : differing) {
    const kernels::ConvolutionShape shape = kernels::ConvolutionShape::parse(line.substr(2));
    const auto direction = static_cast<kernels::ConvolutionDirection>(line[0] - '0');
    names += base::text("\n  ", shape.text(), ": ", kernels::word(direction), " by ",
                        kernels::word(used.at(shape).of(direction)));
    plan.by_shape[shape] = used.at(shape);
  }
  for (const std::string& line : differing)
    plan.by_shape.at(kernels::ConvolutionShape::parse(line.substr(2)))
        .of(static_cast<kernels::ConvolutionDirection>(line[0] - '0')) =
        kernels::ConvolutionWay::onednn;
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
  std::vector<kernels::ConvolutionShape> shapes;
  // Where there is no memory for this, there is none for a step, whose error says what to do.
  if (!fits(all_ranks, [&] { shapes = shapes_of_a_batch(learner); })) return "";
  Plan plan = kept.empty() ? chosen(shapes, request, all_ranks) : written_down(kept, all_ranks);
  take_back_what_differs(plan, shapes, request.convolve, all_ranks);
  const auto choice = std::make_shared<ConvolutionChoice>(plan);
  learner.model().use_convolutions(choice);
  base::give_back_freed_memory();  // blocks of other sizes than those of steps
  return shapes.empty() ? "" : choice->to_json();
}

}  // namespace vae_dist::step
