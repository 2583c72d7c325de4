// Chooses between two programs that are linked from the same objects. vae_dist has LibTorch for the
// CPU only, so it needs a quarter of the memory and starts a third of a second faster.
// vae_dist_cuda also has CUDA and NCCL. Users start vae_dist, which replaces itself by
// vae_dist_cuda if a GPU may be useful.
#pragma once

#include <string>
#include <vector>

namespace vae_dist::launcher {

enum class ProgramChoice {
  cpu,               ///< no GPU will be needed
  cuda_if_possible,  ///< vae_dist_cuda if both a driver and that program exist
  cuda,              ///< vae_dist_cuda, because VAE_DIST_DEVICE demands it
};

/// Chooses the program from a command line (without the program name) and the value of
/// VAE_DIST_DEVICE ("cpu", "cuda"; "auto" or empty count as unset). "cuda" chooses vae_dist_cuda
/// whatever the command line says, even for work on the CPU. The configuration file is not read:
/// vae_dist_cuda obeys one that says cpu. Pure. Throws BadInput for any other value.
ProgramChoice choose_program(const std::vector<std::string>& arguments,
                             const std::string& device_variable);

/// Replaces this program by the vae_dist_cuda in its folder if choose_program() says so; in that
/// case it does not return. Call it first in main. Returns if this program is already
/// vae_dist_cuda. Throws BadInput if VAE_DIST_DEVICE demands vae_dist_cuda but it does not exist.
/// If there is a driver but no vae_dist_cuda, rank 0 prints a warning.
void exec_chosen_program(int argc, char** argv);

}  // namespace vae_dist::launcher
