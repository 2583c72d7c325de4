// The equations of the lesson: each formula with the function of this code base that computes it.
#pragma once

#include "plot/html_page.hpp"

namespace vae_dist::lesson {

enum class LessonPart { autoencoder, decoder_only, vae, gap, gradient, width, weight };

void add_equations(plot::HtmlPage& page, LessonPart part);

}  // namespace vae_dist::lesson
