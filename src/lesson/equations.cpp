#include "lesson/equations.hpp"

#include <map>
#include <string>
#include <vector>

namespace vae_dist::lesson {
namespace {

struct Equation {
  std::string formula, meaning, function, file;
};

const std::map<LessonPart, std::vector<Equation>>& equations() {
  static const std::map<LessonPart, std::vector<Equation>> all = {
      {LessonPart::autoencoder,
       {{"z = g(x), \\quad \\hat{x} = f(z)", "code and reconstruction",
         "Autoencoder::encode_sample, decode_latents", "src/model/autoencoder.hpp"},
        {"L = \\frac{1}{B D} \\sum_{i=1}^{B} \\| x_i - \\hat{x}_i \\|^2",
         "squared error per pixel, mean over the batch", "Objective::reduced",
         "src/objective/objective.cpp"}}},
      {LessonPart::decoder_only,
       {{"p(z) = \\mathcal{N}(0, I), \\quad p(x|z) = \\mathcal{N}(\\mu_\\theta(z), \\sigma^2 I)",
         "prior and likelihood", "Likelihood::negative_log", "src/objective/gaussian.cpp"},
        {"\\log p(x) \\approx \\log \\frac{1}{K} \\sum_{k=1}^{K} p(x|z_k), \\quad z_k \\sim p(z)",
         "estimate of the marginal likelihood", "log_mean_exp, Objective::without_encoder",
         "src/objective/objective.cpp"},
        {"\\mathrm{ESS} = \\frac{(\\sum_k w_k)^2}{\\sum_k w_k^2}, \\quad w_k = p(x|z_k)",
         "effective number of draws", "effective_sample_size",
         "src/objective/importance_weights.cpp"}}},
      {LessonPart::vae,
       {{"q(z|x) = \\mathcal{N}(\\mu(x), \\sigma^2(x)), \\quad z = \\mu + \\sigma \\odot "
         "\\epsilon, \\quad \\epsilon \\sim \\mathcal{N}(0, I)",
         "the posterior and a differentiable draw from it", "reparameterize",
         "src/model/latent_model.cpp"},
        {"\\log p(x) \\ge \\mathbb{E}_{q(z|x)} [ \\log p(x|z) ] - \\mathrm{KL}(q(z|x) \\| p(z))",
         "the bound (ELBO)", "evaluate", "src/evaluate/evaluation.cpp"},
        {"\\mathrm{KL} = -\\frac{1}{2} \\sum_j (1 + \\log \\sigma_j^2 - \\mu_j^2 - \\sigma_j^2)",
         "the KL in closed form", "kl_divergence", "src/objective/kl_divergence.cpp"}}},
      {LessonPart::gap,
       {{"\\log p(x) = \\mathrm{ELBO} + \\mathrm{KL}(q(z|x) \\| p(z|x))",
         "what the bound lacks, from a grid over the latent space", "bound_gap",
         "src/lesson/bound_gap.cpp"},
        {"L_K = \\mathbb{E} [ \\log \\frac{1}{K} \\sum_{k=1}^{K} w_k ], \\quad w_k = "
         "\\frac{p(x|z_k) p(z_k)}{q(z_k|x)}, \\quad z_k \\sim q(z|x)",
         "the importance-weighted bound of K draws (Burda et al. 2016); L_1 is the ELBO",
         "log_importance_weights, log_mean_exp", "src/objective/importance_weights.cpp"}}},
      {LessonPart::gradient,
       {{"\\frac{\\partial}{\\partial \\phi} \\mathbb{E}_{q(z|x)} [ \\log p(x|z) ] = "
         "\\mathbb{E} [ \\frac{\\partial}{\\partial \\phi} \\log p(x | \\mu + \\sigma "
         "\\odot \\epsilon) ] = \\mathbb{E}_{q(z|x)} [ \\log p(x|z) \\frac{\\partial}{\\partial "
         "\\phi} \\log q(z|x) ]",
         "the reparameterised estimator and the score function's", "gradient_noise",
         "src/lesson/gradient_noise.cpp"}}},
      {LessonPart::width,
       {{"p(x|z) = \\mathcal{N}(\\mu_\\theta(z), \\sigma_\\theta^2(z) I)",
         "one width for all pixels of an image, from a second head of the decoder",
         "SecondHead::forward", "src/model/second_head.cpp"},
        {"-\\log p(x|z) = \\frac{\\| x - \\mu_\\theta(z) \\|^2}{2 \\sigma_\\theta^2(z)} + "
         "\\frac{D}{2} \\log (2 \\pi \\sigma_\\theta^2(z))",
         "D pixels pay for a width that is too large, the error for one that is too small",
         "Gaussian::negative_log", "src/objective/gaussian.cpp"}}},
      {LessonPart::weight,
       {{"L = \\text{reconstruction} + M_N \\beta \\mathrm{KL}", "the loss that training minimises",
         "Objective::with_posterior", "src/objective/objective.cpp"},
        {"M_N = w \\frac{G}{G_{\\mathrm{ref}}}",
         "a weight w that was tuned at batch G_ref, scaled to the global batch G", "kld_weight",
         "src/objective/kld_weight.cpp"},
        {"\\sigma_{\\mathrm{eff}}^2 = \\frac{M_N \\beta D}{2}",
         "the width of the equivalent Gaussian decoder for squared error per pixel; for sums over "
         "pixels it is sigma^2 * M_N * beta",
         "effective_sigma", "src/objective/kld_weight.cpp"}}}};
  return all;
}

}  // namespace

void add_equations(plot::HtmlPage& page, LessonPart part) {
  for (const Equation& each : equations().at(part))
    page.equation(each.formula, each.meaning + ": " + plot::html_code(each.function) + " in " +
                                    plot::html_code(each.file));
}

}  // namespace vae_dist::lesson
