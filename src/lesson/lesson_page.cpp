#include "lesson/lesson_page.hpp"

#include <cmath>

#include "base/text.hpp"
#include "lesson/equations.hpp"
#include "lesson/page_pieces.hpp"

namespace vae_dist::lesson {
namespace {

plot::PagePicture grid(const std::string& label, const at::Tensor& images, int columns = 8) {
  plot::GridOptions options;
  options.columns = columns;
  return labelled_grid(label, images, options);
}

// Shows each input above its reconstruction.
plot::PagePicture pairs(const std::string& label, const at::Tensor& originals,
                        const at::Tensor& reconstructions) {
  return grid(label, at::cat({originals.narrow(0, 0, 8), reconstructions.narrow(0, 0, 8),
                              originals.narrow(0, 8, 8), reconstructions.narrow(0, 8, 8)}));
}

plot::Figure codes(const std::string& title, const SystemResult& look) {
  plot::ScatterChart chart;
  chart.title = title;
  chart.x_label = "widest dimension of the code";
  chart.y_label = "second widest";
  chart.clouds = {{.name = "codes of held-out images", .x = look.code_x, .y = look.code_y}};
  chart.circles = {1, 2, 3};
  chart.circles_name = "1, 2 and 3 standard deviations of N(0, I)";
  chart.caption =
      base::text("Root mean square over all dimensions: ", short_number(look.code_deviation),
                 "; that of N(0, I) is 1.");
  return plot::draw(chart);
}

plot::Figure terms(const std::string& title, const std::string& weight,
                   const std::vector<WeightResult>& looks, std::optional<double> critical,
                   const std::string& caption) {
  plot::LineChart chart{.title = title,
                        .caption = caption,
                        .x = {.label = weight, .logarithmic = true},
                        .y = {.label = "share of its largest value"}};
  plot::Series reconstruction{.name = "squared error of the reconstruction, of the mean image's",
                              .x = {},
                              .y = {},
                              .dots = true},
      kld{.name = "KL, of the largest here", .x = {}, .y = {}, .dots = true};
  double largest = 0, worst = 0;
  for (const WeightResult& each : looks)
    largest = std::max(largest, each.kld_nats), worst = std::max(worst, each.mse);
  for (const WeightResult& each : looks) {
    reconstruction.x.push_back(each.weight);
    kld.x.push_back(each.weight);
    reconstruction.y.push_back(each.mse / worst);
    kld.y.push_back(each.kld_nats / largest);
  }
  reconstruction.name = base::text("squared error (1 = ", short_number(worst), ")");
  kld.name = base::text("KL (1 = ", short_number(largest), " nats)");
  chart.series = {reconstruction, kld};
  if (critical) chart.lines = {{.label = "collapse predicted", .at = *critical, .vertical = true}};
  return plot::draw(chart);
}

plot::Table weights_table(const std::string& weight, const std::vector<WeightResult>& looks,
                          double top_variance) {
  plot::Table table{.header = {weight, "sigma_eff", "squared error", "KL (nats)", "predicted"},
                    .rows = {},
                    .numbers = true};
  for (const WeightResult& each : looks) {
    const bool collapses = each.effective_sigma * each.effective_sigma >= top_variance;
    table.rows.push_back(
        {{short_number(each.weight), short_number(each.effective_sigma), short_number(each.mse),
          short_number(each.kld_nats), collapses ? "collapse" : "learns"},
         collapses});
  }
  return table;
}

void first_system(const LessonResults& r, plot::HtmlPage& page) {
  page.section("1  The autoencoder");
  page.paragraph(
      "An encoder g turns an image into a short code, a decoder f turns the code into an image "
      "again; both are trained to make the difference small.");
  add_equations(page, LessonPart::autoencoder);
  page.pictures(
      {pairs(base::text("Held-out images and their reconstructions: squared error ",
                        short_number(r.autoencoder.evaluation.mse),
                        " per pixel; that of the mean image is ", short_number(r.mean_image_mse)),
             r.originals, r.autoencoder.reconstructions)});

  page.section("2  Why it makes no images");
  page.paragraph(
      "To make an image, one would draw a code and decode it. But training says nothing about "
      "where codes lie: they fill a region of their own, unrelated to N(0, I) or a box, and the "
      "decoder turns codes from elsewhere into noise.");
  page.figures({codes("Where the autoencoder's codes lie", r.autoencoder),
                codes("Where the VAE's latents lie", r.vae)});
  page.pictures({grid("Autoencoder: z from N(0, I)", r.autoencoder.samples),
                 grid("Autoencoder: z from the box [-1, 1]", r.autoencoder.box_samples),
                 grid("Real images", r.originals)});
}

void second_system(const LessonResults& r, plot::HtmlPage& page) {
  page.section("3  A decoder with a prior, and no encoder");
  page.paragraph(
      "So the latent first gets a distribution, and the decoder is trained to make the data likely "
      "under it. The integral over all z is estimated by drawing z from the prior.");
  add_equations(page, LessonPart::decoder_only);
  page.subsection("3.1  Why it fails");
  page.paragraph(
      "Hardly any draw of the prior explains a given image, so a single term dominates the sum, "
      "and it is a poor one. The effective sample size of the weights shows this. More dimensions, "
      "or likelihoods that are summed over pixels, make it worse. (Averaging the log-likelihood "
      "over pixels would make the weights look even and reverse the lesson: the log-likelihood is "
      "summed inside, and only the final value may be divided.)");
  plot::LineChart samples{.title = "Effective sample size",
                          .caption = base::text("Of ", r.decoders.front().draws,
                                                " draws of the prior, mean over held-out images."),
                          .x = {.label = "latent dimensions"},
                          .y = {.label = "draws", .low = 0}};
  plot::Series effective{.name = "effective sample size", .x = {}, .y = {}, .dots = true};
  plot::LineChart growth{
      .title = "The estimate grows with the number of draws",
      .caption =
          "A lower bound of log p(x) in expectation: a curve that still rises has not converged.",
      .x = {.label = "draws", .logarithmic = true},
      .y = {.label = "log p(x) (nats)"}};
  for (const DecoderResult& each : r.decoders) {
    effective.x.push_back(static_cast<double>(each.latent_dim));
    effective.y.push_back(each.effective_samples);
    plot::Series curve{
        .name = base::text(each.latent_dim,
                           each.latent_dim == 1 ? " latent dimension" : " latent dimensions"),
        .x = {},
        .y = {},
        .dots = true};
    for (const evaluate::Evaluation::LogP& estimate : each.log_p) {
      if (estimate.draws == 1) continue;  // so far below that it would hide the rest
      curve.x.push_back(static_cast<double>(estimate.draws));
      curve.y.push_back(estimate.nats);
    }
    growth.series.push_back(curve);
  }
  samples.series = {effective};
  samples.lines = {{.label = "one draw has all the weight", .at = 1}};
  page.figures({plot::draw(samples), plot::draw(growth)});
  std::vector<plot::PagePicture> pictures;
  for (const DecoderResult& each : r.decoders)
    pictures.push_back(grid(base::text("Samples, ", each.latent_dim, " latent dimension",
                                       each.latent_dim == 1 ? "" : "s"),
                            each.samples, 4));
  page.pictures(pictures);
}

void third_system(const LessonResults& r, plot::HtmlPage& page) {
  page.section("4  The variational autoencoder");
  page.paragraph(
      "An encoder proposes, for each image, where in latent space its explanation lies: q(z|x). "
      "Sampling from it instead of the prior needs one draw, not thousands. The price is in the "
      "bound: q must stay near the prior.");
  add_equations(page, LessonPart::vae);
  page.pictures({pairs(
      base::text("Held-out images and their reconstructions: squared error ",
                 short_number(r.vae.evaluation.mse), " per pixel, KL ",
                 short_number(r.vae.evaluation.kld_nats), " nats, ", *r.vae.evaluation.active_units,
                 " of ", r.vae.evaluation.kld_per_dimension.size(), " units active"),
      r.originals, r.vae.reconstructions)});
  add_gap_chapter(r, page);
  add_gradient_chapter(r, page);
  page.subsection("4.3  Samples side by side");
  page.pictures({grid("Autoencoder", r.autoencoder.samples),
                 grid("Decoder without an encoder",
                      at::cat({r.decoders.back().samples, r.decoders[1].samples})),
                 grid("VAE", r.vae.samples), grid("Real images", r.originals)});
  plot::Table table{
      .header = {"samples of the prior", "coverage", "density"}, .rows = {}, .numbers = true};
  table.caption =
      "Measured on pixels, with k = 5 nearest neighbours and as many images of each kind as there "
      "are held-out ones (Naeem et al. 2020). Blur inflates density: an image near the middle of "
      "all lies in very many neighbourhoods, as the mean image's figure shows. So rely on "
      "coverage.";
  const auto row = [&](const std::string& name, const evaluate::Coverage& each,
                       bool marked = false) {
    table.rows.push_back({{name, short_number(each.coverage), short_number(each.density)}, marked});
  };
  row("autoencoder", r.autoencoder.coverage);
  row("VAE", r.vae.coverage, true);
  row("other real images", r.real_coverage);
  row("the mean image, repeated", r.mean_image_coverage);
  page.add(plot::html_table(table));
}

void weights(const LessonResults& r, plot::HtmlPage& page) {
  page.section("6  The weight of the KL");
  page.paragraph(
      "Each point is a separate VAE, trained briefly. With more weight the KL falls and the "
      "error grows, until no latent dimension pays for itself and every reconstruction is the mean "
      "image: the posterior has collapsed.");
  add_equations(page, LessonPart::weight);
  const double critical = 2 * r.top_variance / static_cast<double>(r.shape.values());
  page.figures(
      {terms("The two terms against beta", "beta", r.betas, std::nullopt,
             "Likelihood summed over pixels, sigma 0.1, M_N 1."),
       terms(
           "The two terms against M_N", "M_N", r.kld_weights, critical,
           base::text(
               "PyTorch-VAE's squared error per pixel. Collapse is predicted above M_N = 2 * ",
               short_number(r.top_variance), " / ", r.shape.values(), " = ", short_number(critical),
               ", where sigma_eff^2 exceeds the images' largest variance along any "
               "direction."))});
  page.add(plot::html_table(weights_table("beta", r.betas, r.top_variance)));
  page.add(plot::html_table(weights_table("M_N", r.kld_weights, r.top_variance)));
}

}  // namespace

plot::HtmlPage lesson_page(const LessonResults& r) {
  plot::HtmlPage page("From the autoencoder to the VAE",
                      base::text(r.data, "; ", r.training_images, " training images"));
  page.facts({{"coverage of the VAE's samples", short_number(r.vae.coverage.coverage),
               base::text("autoencoder ", short_number(r.autoencoder.coverage.coverage),
                          ", other real images ", short_number(r.real_coverage.coverage))},
              {"effective draws of a decoder without an encoder",
               short_number(r.decoders.back().effective_samples),
               base::text("of ", r.decoders.back().draws, ", with ", r.decoders.back().latent_dim,
                          " latent dimensions")},
              {"KL of the VAE", short_number(r.vae.evaluation.kld_nats) + " nats",
               base::text(*r.vae.evaluation.active_units, " units active")}});
  first_system(r, page);
  second_system(r, page);
  third_system(r, page);
  add_width_chapter(r, page);
  weights(r, page);
  return page;
}

}  // namespace vae_dist::lesson
