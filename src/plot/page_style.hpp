// The style of a page, and the script of its sliders.
#pragma once

#include <string_view>

namespace vae_dist::plot {

extern const std::string_view kPageStyle;
extern const std::string_view kSliderScript;
/// The Content-Security-Policy of the page: the browser shows what the page contains, runs the
/// script above (identified by its SHA-256) and loads nothing.
extern const std::string_view kPagePolicy;

}  // namespace vae_dist::plot
