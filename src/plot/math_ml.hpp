// Formulas as MathML, which browsers draw by themselves, from the part of TeX's notation that ours
// need.
#pragma once

#include <string_view>

#include "plot/html.hpp"

namespace vae_dist::plot {

/// A displayed formula: math_ml("\\log p(x) \\ge E_{q(z|x)}[\\log p(x|z)] - \\mathrm{KL}(q(z|x) \\|
/// p(z))").
///
/// Letters are variables, digits numbers, the rest operators. `{...}` groups, `_` and `^` set below
/// and above (above and below \sum and \prod),
/// \frac{a}{b}, \sqrt{a}, \hat{a}, \bar{a}, \tilde{a}, \text{words}, \mathrm{KL}, \mathcal{N},
/// \mathbb{E}; \mu and the other Greek letters; \log \exp \max \min; \sum \prod
/// \cdot \times \le \ge \sim \approx \in \infty \to \odot \pm \partial \ldots \| \, \quad. Throws
/// BadInput for any other command and for braces that do not match.
Html math_ml(std::string_view formula);

}  // namespace vae_dist::plot
