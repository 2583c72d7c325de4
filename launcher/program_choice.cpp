#include "launcher/program_choice.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <string_view>

#include "base/error.hpp"
#include "base/text.hpp"
#include "device/gpu_facts.hpp"

namespace vae_dist::launcher {
namespace {

namespace fs = std::filesystem;

constexpr char kCudaProgram[] = "vae_dist_cuda";

// All other verbs compute, including train, the default verb.
constexpr std::array<std::string_view, 7> kComputeNothing = {
    "completion", "config", "data", "monitor", "report", "runs", "weights"};

bool asks_for_help(const std::string& argument) {
  return argument == "--help" || argument == "-h" || argument == "--version";
}

// Returns the last device that a command line names. --device takes precedence over
// distributed.device, as in the verbs. Empty if there is none.
std::string named_device(const std::vector<std::string>& arguments) {
  const std::string_view option = "--device", key = "distributed.device=";
  std::string by_option, by_key;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument.starts_with(key)) by_key = argument.substr(key.size());
    if (argument.starts_with(std::string(option) + "="))
      by_option = argument.substr(option.size() + 1);
    if (argument == option && i + 1 < arguments.size()) by_option = arguments[i + 1];
  }
  return by_option.empty() ? by_key : by_option;
}

// Returns whether this machine has a driver, even without a GPU. Asking the driver for a GPU would
// take as long as starting the other program, which asks anyway.
bool driver_can_be_loaded() {
  void* const driver = ::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver) ::dlclose(driver);
  return driver != nullptr;
}

// Returns whether this process prints messages that concern all ranks. MPI has not started yet, so
// the rank comes from the environment.
bool tells_for_all() {
  for (const char* name :
       {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "PALS_RANKID", "SLURM_PROCID"})
    if (const char* const rank = std::getenv(name)) return std::string_view(rank) == "0";
  return true;
}

std::string text_of_variable(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

ProgramChoice choose_program(const std::vector<std::string>& arguments,
                             const std::string& device_variable) {
  if (device_variable == "cpu") return ProgramChoice::cpu;
  if (device_variable == "cuda") return ProgramChoice::cuda;
  if (!device_variable.empty() && device_variable != "auto")
    throw base::BadInput(
        base::text("VAE_DIST_DEVICE=", device_variable, " is not one of auto, cuda and cpu"));
  if (arguments.empty() || std::any_of(arguments.begin(), arguments.end(), asks_for_help))
    return ProgramChoice::cpu;
  if (std::find(kComputeNothing.begin(), kComputeNothing.end(), arguments.front()) !=
      kComputeNothing.end())
    return ProgramChoice::cpu;
  return named_device(arguments) == "cpu" ? ProgramChoice::cpu : ProgramChoice::cuda_if_possible;
}

void exec_chosen_program(int argc, char** argv) {
  const ProgramChoice choice =
      choose_program({argv + std::min(argc, 1), argv + argc}, text_of_variable("VAE_DIST_DEVICE"));
  if (choice == ProgramChoice::cpu || device::has_cuda()) return;
  if (choice == ProgramChoice::cuda_if_possible && !driver_can_be_loaded()) return;
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error),
                 other = self.parent_path() / kCudaProgram;
  // Guards against replacing this program by itself for ever, whatever file has that name.
  const bool is_there =
      !error && ::access(other.c_str(), X_OK) == 0 && !fs::equivalent(self, other, error);
  if (is_there) ::execv(other.c_str(), argv);  // argv[0] stays as the user typed it
  const std::string why =
      base::text(is_there ? base::text("cannot start ", other.string(), ": ", std::strerror(errno))
                          : base::text("there is no program ", other.string()));
  if (choice == ProgramChoice::cuda)
    throw base::BadInput(base::text("VAE_DIST_DEVICE=cuda, but ", why));
  if (tells_for_all())
    std::cerr << "vae_dist: there is an NVIDIA driver here, but " << why
              << ", so GPUs cannot be used\n";
}

}  // namespace vae_dist::launcher
