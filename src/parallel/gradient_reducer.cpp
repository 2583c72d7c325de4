#include "parallel/gradient_reducer.hpp"

#include "parallel/tensor_buffer.hpp"

namespace vae_dist {

GradientReducer::GradientReducer(Communicator& comm, std::vector<at::Tensor> arenas) : comm_(comm), arenas_(std::move(arenas)) {
  for (const at::Tensor& arena : arenas_) bytes_per_step_ += buffer_of(arena).bytes();
}

void GradientReducer::finish() {
  if (comm_.size() == 1) return;
  const Stopwatch watch;
  for (const at::Tensor& arena : arenas_) comm_.all_reduce_sum(buffer_of(arena));
  last_wait_ = watch.elapsed();
}

}  // namespace vae_dist
