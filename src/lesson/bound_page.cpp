#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "lesson/equations.hpp"
#include "lesson/page_pieces.hpp"
#include "plot/axis.hpp"

namespace vae_dist::lesson {
namespace {

// Ink on white: the denser, the darker.
at::Tensor as_ink(const at::Tensor& density) {
  return (1 - density).unsqueeze(0).repeat({3, 1, 1});
}

// Draws the line of two standard deviations of q(z|x) in orange.
at::Tensor with_ellipse(at::Tensor picture, const PosteriorMaps& maps) {
  const at::Tensor beyond = maps.distance > 2;
  // A pixel beyond the line with a neighbour that is not.
  at::Tensor line = at::zeros_like(beyond);
  for (const std::int64_t axis : {0, 1})
    for (const std::int64_t shift : {-1, 1})
      line.logical_or_(beyond.logical_and(beyond.roll({shift}, {axis}).logical_not()));
  constexpr double kOrange[] = {0.85, 0.37, 0.01};
  for (std::int64_t channel = 0; channel < 3; ++channel)
    picture[channel].masked_fill_(line, kOrange[channel]);
  return picture;
}

plot::PagePicture posteriors(const std::string& label, const std::vector<ShownPosterior>& looks) {
  plot::GridOptions options;
  options.columns = static_cast<int>(looks.size());
  options.row_labels = {"x", "p(z|x)", "q(z|x)"};
  std::vector<at::Tensor> images, exact, approximate;
  for (const ShownPosterior& each : looks) {
    const at::Tensor colours =
        each.image.size(1) == 3 ? each.image[0] : each.image[0].mean(0, true).repeat({3, 1, 1});
    const std::int64_t scale = each.maps.exact.size(0) / colours.size(1);
    images.push_back(
        colours.repeat_interleave(scale, 1).repeat_interleave(scale, 2).to(at::kDouble));
    exact.push_back(with_ellipse(as_ink(each.maps.exact), each.maps));
    approximate.push_back(with_ellipse(as_ink(each.maps.approximate), each.maps));
    options.column_labels.push_back("KL " + short_number(each.kl));
  }
  std::vector<at::Tensor> rows;
  for (const auto* row : {&images, &exact, &approximate})
    rows.insert(rows.end(), row->begin(), row->end());
  return labelled_grid(label, at::stack(rows), options);
}

// What a bound lacks of log p(x), as its mean and its median over images.
std::vector<plot::Series> lacks(const std::vector<BoundPoint>& points) {
  plot::Series mean{.name = "mean over images", .x = {}, .y = {}, .dots = true},
      median{.name = "median over images", .x = {}, .y = {}, .dots = true};
  for (const BoundPoint& each : points) {
    mean.x.push_back(each.at);
    mean.y.push_back(each.gap());
    median.x.push_back(each.at);
    median.y.push_back(each.median_gap);
  }
  return {mean, median};
}

plot::Figure while_training(const TwoLatentResult& r) {
  return plot::draw(plot::LineChart{
      .title = "While it is trained",
      .caption = base::text("In the mean the gap is ", short_number(r.training.front().gap()),
                            " nats after ", r.training.front().at, " steps, and ",
                            short_number(r.training.back().gap()), " nats after ",
                            r.training.back().at, "."),
      .x = {.label = "step", .logarithmic = true},
      .y = {.label = "log p(x) - ELBO (nats)", .logarithmic = true},
      .series = lacks(r.training)});
}

plot::Figure with_more_draws(const TwoLatentResult& r) {
  return plot::draw(plot::LineChart{
      .title = "With the importance-weighted bound",
      .caption = base::text("The same trained VAE. In the mean the gap is ",
                            short_number(r.weighted.front().gap()), " nats with one draw, and ",
                            short_number(r.weighted.back().gap()), " nats with ",
                            r.weighted.back().at, "."),
      .x = {.label = "draws K", .logarithmic = true},
      .y = {.label = "log p(x) - L_K (nats)", .logarithmic = true},
      .series = lacks(r.weighted)});
}

// Three significant digits without an exponent: "148,998" becomes "149,000".
std::string readable(double value) {
  if (value < 1000) return short_number(value);
  const double unit = std::pow(10, std::floor(std::log10(value)) - 2);
  return plot::grouped(std::llround(std::round(value / unit) * unit));
}

}  // namespace

void add_gap_chapter(const LessonResults& results, plot::HtmlPage& page) {
  const TwoLatentResult& r = results.two_latents;
  page.subsection("4.1  What the bound lacks");
  page.paragraph(
      "The ELBO is a lower bound. What it lacks of log p(x) is the distance between q(z|x) and "
      "the true posterior p(z|x), the distribution of z that the decoder itself implies for x.");
  add_equations(page, LessonPart::gap);
  page.paragraph(base::text(
      "With two latent dimensions this can be checked, because a fine grid covers the whole "
      "latent space. Here log p(x) is summed over the grid, and the ELBO is computed without it. "
      "For ",
      r.images, " held-out images the gap is ", short_number(r.gap),
      " nats in the mean, and the KL is ", short_number(r.kl),
      " nats. For no image do they differ by more than ", short_number(r.largest_difference),
      " nats. (Half as many grid lines change log p(x) by ", short_number(r.grid_error),
      " nats at most.)"));
  page.pictures(
      {posteriors("Where q fits best", r.closest), posteriors("Where q fits worst", r.farthest)});
  page.paragraph(
      "Each column is one image, and the part of the latent space around its posterior. Dark is "
      "dense, and the orange line marks two standard deviations of q. A Gaussian whose axes are "
      "those of the latent space cannot be tilted, curved, or in two places at once. Where the "
      "true posterior is, the bound pays for it.");
  page.figures({while_training(r), with_more_draws(r)});
  page.paragraph(
      "The gap falls while the encoder learns where the decoder has put each image. What then "
      "remains is what a Gaussian q cannot express, and what one encoder for all images cannot. "
      "More draws close it without a better q, quickly where q covers the true posterior: there "
      "the median falls. An image whose true posterior lies where q hardly ever draws keeps its "
      "gap, and holds up the mean. A training that maximises L_K teaches q to cover more: its "
      "ELBO may be worse, but log p(x) is what counts.");
  plot::Table table{.header = {"trained with", "log p(x)", "ELBO", "log p(x) - ELBO",
                               base::text("log p(x) - L_", results.weighted.draws)},
                    .rows = {},
                    .numbers = true};
  table.caption = "Nats, mean over the same held-out images.";
  const auto row = [&](const std::string& name, double log_p, double elbo, double bound) {
    table.rows.push_back({{name, base::digits(log_p, 4), base::digits(elbo, 4),
                           short_number(log_p - elbo), short_number(log_p - bound)},
                          false});
  };
  for (const BoundPoint& each : r.weighted)
    if (each.at == static_cast<double>(results.weighted.draws))
      row("the ELBO", r.log_p, r.elbo, each.bound);
  row(base::text("L_", results.weighted.draws), results.weighted.log_p, results.weighted.elbo,
      results.weighted.bound);
  page.add(plot::html_table(table));
}

void add_gradient_chapter(const LessonResults& results, plot::HtmlPage& page) {
  const GradientNoise& r = results.two_latents.gradient;
  page.subsection("4.2  Why the draw is reparameterised");
  page.paragraph(
      "The encoder's gradient is that of an expectation whose distribution depends on the "
      "encoder. There are two ways to estimate it from draws. Written as z = mu + sigma * eps, a "
      "draw has a path back to the encoder, and the gradient of log p(x|z) says in which "
      "direction z explains x better. The score function needs no path: it makes draws likelier "
      "in proportion to log p(x|z), whatever that number is.");
  add_equations(page, LessonPart::gradient);
  const double least = r.estimators.front().variance;
  page.paragraph(base::text(
      "Here are both on the same network (the VAE of 4.1) with the same ", plot::grouped(r.draws),
      " draws for each of ", r.images, " images. The gradient has ", plot::grouped(r.parameters),
      " components, the encoder's parameters; its variance is summed over them. A baseline, the "
      "mean of log p(x|z) over the other draws, takes away most of the score function's."));
  plot::Table table{.header = {"estimator", "length of the mean", "standard deviation", "variance",
                               "means apart"},
                    .rows = {},
                    .numbers = true};
  table.caption =
      "Of one draw; the variance as a multiple of the first row's. \"Means apart\": the length "
      "of the difference from the first row's mean, in units of its standard error: about 1 by "
      "chance.";
  for (std::size_t i = 0; i < r.estimators.size(); ++i) {
    const GradientEstimator& each = r.estimators[i];
    table.rows.push_back(
        {{each.name, short_number(each.length), readable(std::sqrt(each.variance)),
          readable(each.variance / least), i == 0 ? "" : short_number(each.difference)},
         i == 0});
  }
  page.add(plot::html_table(table));
  plot::LineChart mean{
      .title = "The mean of one component as draws are added",
      .caption =
          "The parameter with the largest gradient, and two standard errors around its mean. The "
          "axis leaves out where the score function without a baseline begins.",
      .x = {.label = "draws", .logarithmic = true},
      .y = {.label = "gradient"}};
  plot::LineChart error{.title = "Its standard error",
                        .caption = "All fall with the square root of the number of draws.",
                        .x = {.label = "draws", .logarithmic = true},
                        .y = {.label = "standard error", .logarithmic = true}};
  for (std::size_t i = 0; i < r.estimators.size(); ++i) {
    const GradientEstimator& each = r.estimators[i];
    plot::Band band{
        .name = "", .x = r.counts, .low = {}, .high = {}, .colour = static_cast<int>(i)};
    for (std::size_t j = 0; j < r.counts.size(); ++j) {
      band.low.push_back(each.component[j] - 2 * each.component_error[j]);
      band.high.push_back(each.component[j] + 2 * each.component_error[j]);
    }
    mean.bands.push_back(band);
    mean.series.push_back({.name = each.name,
                           .x = r.counts,
                           .y = each.component,
                           .dots = true,
                           .colour = static_cast<int>(i)});
    error.series.push_back({.name = each.name,
                            .x = r.counts,
                            .y = each.component_error,
                            .dots = true,
                            .colour = static_cast<int>(i)});
  }
  const double centre = r.estimators.front().component.back();
  const double reach =
      std::max(4 * r.estimators[1].component_error.back(), 1.2 * std::fabs(centre));
  mean.y.low = centre - reach;
  mean.y.high = centre + reach;
  page.figures({plot::draw(mean), plot::draw(error)});
  page.paragraph(base::text(
      "All estimate the same gradient: for ",
      short_number(100 * r.estimators[1].share_within_two_errors),
      " % of the parameters the mean of the score function lies within two standard errors of "
      "the reparameterised one, and with the baseline for ",
      short_number(100 * r.estimators[2].share_within_two_errors),
      " % (by chance about 95 %). But for the same accuracy the score function needs ",
      readable(r.estimators[1].variance / least), " times as many draws, and ",
      readable(r.estimators[2].variance / least),
      " times as many with a baseline. A training step takes one draw for each image."));
}

void add_width_chapter(const LessonResults& results, plot::HtmlPage& page) {
  page.section("5  The width of p(x|z)");
  page.paragraph(
      "So far sigma was a number that somebody chose. It decides how much an error costs beside "
      "the KL, so it is better learned. It can be one number for all images, or the decoder "
      "predicts it from z: one sigma(z) for each image, or one for each pixel.");
  add_equations(page, LessonPart::width);
  plot::Table table{.header = {"sigma", "ELBO (nats)", "KL (nats)", "squared error"},
                    .rows = {},
                    .numbers = true};
  table.caption =
      "Held-out images; the same network, trained briefly with each. The ELBO is that of a "
      "density, so it may be positive. A sigma for each pixel also learns which pixels are "
      "always the same, down to a bound on sigma.";
  for (const WidthResult& each : results.widths)
    table.rows.push_back({{each.sigma, base::digits(each.elbo_nats, 4), short_number(each.kld_nats),
                           short_number(each.mse)},
                          false});
  page.add(plot::html_table(table));

  const PredictedWidths& widths = results.predicted_widths;
  const auto sorted = [&](const std::string& label, const at::Tensor& images,
                          const std::vector<double>& sigmas) {
    plot::GridOptions options;
    options.columns = 4;
    return labelled_grid(base::text(label, ": sigma(z) from ", short_number(sigmas.front()), " to ",
                                    short_number(sigmas.back())),
                         images, options);
  };
  plot::LineChart chart{.title = "What the decoder predicts, and what comes true",
                        .caption = "Held-out images in groups, ordered by sigma(z).",
                        .x = {.label = "sigma(z)"},
                        .y = {.label = "root mean square error of the reconstruction", .low = 0}};
  chart.series = {{.name = "groups of images", .x = widths.sigma, .y = widths.error, .dots = true},
                  {.name = "a perfect prediction",
                   .x = {widths.sigma.front(), widths.sigma.back()},
                   .y = {widths.sigma.front(), widths.sigma.back()},
                   .dashed = true}};
  page.figures({plot::draw(chart)});
  page.pictures(
      {sorted("Images that the decoder is most sure of", widths.narrowest, widths.narrowest_sigma),
       sorted("Images that it is least sure of", widths.widest, widths.widest_sigma)});
}

}  // namespace vae_dist::lesson
