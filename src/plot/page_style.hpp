// The look of a page, and the script of its sliders.
#pragma once

#include <string_view>

namespace vae_dist::plot {

extern const std::string_view kPageStyle;
extern const std::string_view kSliderScript;
/// What a browser may do with the page: show what is in it, run the script above (known by its
/// SHA-256), load nothing.
extern const std::string_view kPagePolicy;

}  // namespace vae_dist::plot
