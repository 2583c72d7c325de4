// The lesson as a page: the results beside the equations and the functions that compute them.
#pragma once

#include "lesson/experiments.hpp"
#include "plot/html_page.hpp"

namespace vae_dist::lesson {

plot::HtmlPage lesson_page(const LessonResults& results);

}  // namespace vae_dist::lesson
