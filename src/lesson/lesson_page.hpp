// The lesson as a page: what was seen, beside the equations and where our code computes them.
#pragma once

#include "lesson/experiments.hpp"
#include "plot/html_page.hpp"

namespace vae_dist::lesson {

plot::HtmlPage lesson_page(const LessonResults& results);

}  // namespace vae_dist::lesson
