// Converts formulas to MathML, which browsers render natively, from the subset of TeX notation that
// our formulas need.
#pragma once

#include <string_view>

#include "plot/html.hpp"

namespace vae_dist::plot {

/// Returns a displayed formula: math_ml("\\log p(x) \\ge E_{q(z|x)}[\\log p(x|z)] -
/// \\mathrm{KL}(q(z|x) \\| p(z))").
///
/// Letters are variables, digits are numbers, everything else is an operator. `{...}` groups; `_`
/// and `^` set subscripts and superscripts (below and above \sum and \prod). Commands:
/// \frac{a}{b}, \sqrt{a}, \hat{a}, \bar{a}, \tilde{a}, \text{words}, \mathrm{KL}, \mathcal{N},
/// \mathbb{E}; \mu and the other Greek letters; \log \exp \max \min; \sum \prod
/// \cdot \times \le \ge \sim \approx \in \infty \to \odot \pm \partial \ldots \| \, \quad.
/// Throws BadInput for any other command and for unbalanced braces.
Html math_ml(std::string_view formula);

}  // namespace vae_dist::plot
