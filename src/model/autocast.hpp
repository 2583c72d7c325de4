// Convolutions and matrix products in half the bits, while everything else stays in single
// precision.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace vae_dist::model {

/// While it lives, this thread's convolutions, linear layers and attention on `device` compute in
/// bfloat16, on copies of their fp32 weights that autograd knows as casts: gradients arrive in fp32
/// at the weights themselves (PyTorch's automatic mixed precision, Micikevicius et al. 2018;
/// bfloat16's range needs no loss scaling). With `wanted` false nothing changes.
class Autocast {
 public:
  Autocast(c10::DeviceType device, bool wanted);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  c10::DeviceType device_;
  bool wanted_, was_enabled_ = false;
  c10::ScalarType former_type_ = c10::ScalarType::Float;
};

}  // namespace vae_dist::model
