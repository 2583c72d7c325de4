#include "model/autocast.hpp"

#include <ATen/autocast_mode.h>

namespace vae_dist::model {

namespace {

void set(c10::DeviceType device, AutocastState state) {
  at::autocast::set_autocast_enabled(device, state.enabled);
  at::autocast::set_autocast_dtype(device, state.type);
  at::autocast::set_autocast_cache_enabled(state.keeps_casts);
}

}  // namespace

AutocastState autocast_state(c10::DeviceType device) {
  return {at::autocast::is_autocast_enabled(device), at::autocast::get_autocast_dtype(device),
          at::autocast::is_autocast_cache_enabled()};
}

AutocastAs::AutocastAs(c10::DeviceType device, AutocastState wanted)
    : device_(device), former_(autocast_state(device)) {
  set(device_, wanted);
}

AutocastAs::~AutocastAs() { set(device_, former_); }

Autocast::Autocast(c10::DeviceType device, bool wanted) {
  if (!wanted) return;
  AutocastState bfloat16 = autocast_state(device);
  bfloat16.enabled = true;
  bfloat16.type = at::kBFloat16;
  settings_.emplace(device, bfloat16);
  at::autocast::increment_nesting();
}

Autocast::~Autocast() {
  if (!settings_) return;
  // The cached casts become stale once an optimizer has changed the weights.
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
}

}  // namespace vae_dist::model
