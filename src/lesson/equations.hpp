// The equations of the walk, as they stand in our code: formula, and the function that computes it.
#pragma once

#include "plot/html_page.hpp"

namespace vae_dist::lesson {

enum class LessonPart { autoencoder, decoder_only, vae, weight };

void add_equations(plot::HtmlPage& page, LessonPart part);

}  // namespace vae_dist::lesson
