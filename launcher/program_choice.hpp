// vae_dist is two programs, linked from the same objects: vae_dist has LibTorch for the CPU alone,
// which takes a quarter of the memory and a third of a second less to start, and vae_dist_cuda has
// CUDA and NCCL too. Users start the first, which becomes the second where that may have use for
// it.
#pragma once

#include <string>
#include <vector>

namespace vae_dist::launcher {

enum class ProgramChoice {
  cpu,               ///< nothing will be asked of a GPU
  cuda_if_possible,  ///< vae_dist_cuda where there is a driver and such a program
  cuda,              ///< vae_dist_cuda, as VAE_DIST_DEVICE demands
};

/// By a command line (without the program's name) and the value of VAE_DIST_DEVICE ("cpu", "cuda";
/// "auto" or empty: as if it were not set). "cuda" has vae_dist_cuda run whatever the command line
/// says, on the CPU too. The configuration's file is not looked into: vae_dist_cuda obeys one that
/// says cpu. Pure. Throws BadInput for any other value.
ProgramChoice choose_program(const std::vector<std::string>& arguments,
                             const std::string& device_variable);

/// To be called first in main: replaces this program by the vae_dist_cuda that lies in its folder,
/// if choose_program() says so; then it does not return. It does where this is that program
/// already. Throws BadInput where there is none and VAE_DIST_DEVICE demands it; where there is a
/// driver but no vae_dist_cuda, rank 0 tells so.
void become_chosen_program(int argc, char** argv);

}  // namespace vae_dist::launcher
