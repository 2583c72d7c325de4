// Computes convolutions and matrix products in bfloat16 while everything else stays in fp32.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <optional>

namespace vae_dist::model {

/// The settings of autocast for a type of device, in the current thread.
struct AutocastState {
  bool enabled = false;
  c10::ScalarType type = c10::ScalarType::BFloat16;
  bool keeps_casts = true;  ///< a weight is cast once for all its uses
};
AutocastState autocast_state(c10::DeviceType device);

/// While this object lives, the current thread has these settings.
class AutocastAs {
 public:
  AutocastAs(c10::DeviceType device, AutocastState wanted);
  ~AutocastAs();
  AutocastAs(const AutocastAs&) = delete;
  AutocastAs& operator=(const AutocastAs&) = delete;

 private:
  c10::DeviceType device_;
  AutocastState former_;
};

/// While this object lives, convolutions, linear layers and attention of the current thread on
/// `device` compute in bfloat16 (on a CPU without instructions for it, by rounding:
/// kernels/rounded_products.hpp). They use copies of their fp32 weights that autograd knows as
/// casts, so the weights themselves receive gradients in fp32 (PyTorch's automatic mixed precision,
/// Micikevicius et al. 2018; the range of bfloat16 needs no loss scaling). No-op if `wanted` is
/// false.
class Autocast {
 public:
  Autocast(c10::DeviceType device, bool wanted);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  std::optional<AutocastAs> settings_;  // empty: not wanted
};

}  // namespace vae_dist::model
