#include "parallel/replicate.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/hash.hpp"
#include "comm/agreement.hpp"
#include "parallel/tensor_buffer.hpp"

namespace vae_dist::parallel {
namespace {

// Nothing is added up here, so tensors of types that no sum is defined for travel as bytes.
comm::Buffer bits_of(const at::Tensor& dense) {
  switch (dense.scalar_type()) {
    case at::kBool:
    case at::kChar:
    case at::kShort:
    case at::kInt:
    case at::kHalf:
      return {dense.data_ptr(), static_cast<std::int64_t>(dense.nbytes()), comm::DataType::uint8};
    default:
      return buffer_of(dense);
  }
}

}  // namespace

void broadcast_tensors(comm::CpuCommunicator& all_ranks, const std::vector<at::Tensor>& tensors) {
  const at::NoGradGuard no_grad;
  for (const at::Tensor& tensor : tensors) {
    const at::Tensor dense = tensor.detach().cpu().contiguous();
    all_ranks.broadcast(bits_of(dense), 0);
    tensor.copy_(dense);
  }
}

std::uint64_t hash_tensors(const std::vector<at::Tensor>& tensors) {
  std::uint64_t hash = 0;
  for (const at::Tensor& tensor : tensors) {
    const at::Tensor dense = tensor.detach().cpu().contiguous();
    hash = base::hash_bytes(dense.data_ptr(), dense.nbytes(), hash);
  }
  return hash;
}

void require_equal_tensors(comm::CpuCommunicator& all_ranks, const std::string& what,
                           const std::vector<at::Tensor>& tensors, base::ExitCode code) {
  comm::require_equal(all_ranks, what, base::hash_name(hash_tensors(tensors)), code);
}

}  // namespace vae_dist::parallel
