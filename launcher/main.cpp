// The main function: starts the MPI world, runs a command, and makes sure that all ranks end
// together.
#include <optional>

#include "base/descriptor_limit.hpp"
#include "base/keep_freed_memory.hpp"
#include "comm/agreement.hpp"
#include "comm/mpi_world.hpp"
#include "launcher/command_line.hpp"
#include "launcher/failure_report.hpp"
#include "launcher/program_choice.hpp"
#include "run/terminate_handler.hpp"

int main(int argc, char** argv) {
  using namespace vae_dist;
  using namespace vae_dist::launcher;
  std::optional<comm::MpiWorld> started;
  try {
    exec_chosen_program(argc, argv);
    base::keep_freed_memory();
    base::raise_descriptor_limit();
    started.emplace(argc, argv);
  } catch (const std::exception& error) {
    FailureReport(0, 1).print(error);  // there is no MPI world yet to abort
    return static_cast<int>(base::exit_code(error));
  }
  comm::MpiWorld& world = *started;
  FailureReport report(world.rank(), world.size());
  try {
    const run::TerminateHandler on_terminate(
        world, [&report](const std::exception& error, const std::string& details) {
          report.fail(error, details);
        });
    return static_cast<int>(run_command(argc, argv, world, report));
  } catch (const comm::AgreedError& error) {
    // All ranks have the same error. Rank 0 reports it, and all exit in an orderly way.
    if (world.rank() == 0) report.print(error);
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    report.fail(error);
    world.abort(base::exit_code(error));
  }
}
