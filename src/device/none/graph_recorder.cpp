// Stands in for cuda_graph_recorder.cpp where the torch wheel brings no CUDA (a CPU wheel).
#include <stdexcept>

#include "device/work_recorder.hpp"

namespace vae_dist::device {

std::unique_ptr<WorkRecorder> make_graph_recorder(c10::Device) { throw std::logic_error("this build has no CUDA"); }

}  // namespace vae_dist::device
