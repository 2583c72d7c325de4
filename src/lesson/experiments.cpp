#include "lesson/experiments.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <mutex>

#include "base/error.hpp"
#include "base/thread_team.hpp"
#include "comm/communicator.hpp"
#include "evaluate/collapse.hpp"
#include "evaluate/keyed_noise.hpp"
#include "evaluate/mean_image.hpp"
#include "evaluate/model_pictures.hpp"
#include "evaluate/read_samples.hpp"
#include "input/open_data.hpp"
#include "objective/gaussian.hpp"

namespace vae_dist::lesson {
namespace {

constexpr std::int64_t kShown = 16;  // images in a grid
constexpr std::int64_t kCodesShown = 2000;
constexpr std::int64_t kEvaluated = 1000;
constexpr std::int64_t kPriorSamples = 256;
constexpr std::int64_t kLatent = 32;  // of the autoencoder and the VAE that are examined closely
constexpr double kSigma = 0.1;        // of the decoders whose likelihood is evaluated
constexpr std::int64_t kIntegrated = 64;   // images whose true posterior is computed
constexpr std::int64_t kTrainedDraws = 4;  // K of the training with the weighted bound
constexpr std::int64_t kWidthsShown = 8;   // images with the smallest sigma(z), and the largest
constexpr std::int64_t kGroupsOfWidths = 10;

// Returns levels that reduce an image to about 4x4, narrow enough to train within seconds.
std::vector<std::int64_t> levels_for(const arrays::SampleShape& shape) {
  std::vector<std::int64_t> levels = {16};
  for (std::int64_t size = (std::max(shape.space[0], shape.space[1]) + 1) / 2;
       size > 4 && levels.size() < 5; size = (size + 1) / 2)
    levels.push_back(std::min<std::int64_t>(2 * levels.back(), 64));
  return levels;
}

config::Config base_config(const arrays::SampleShape& shape, const std::string& model,
                           std::int64_t latent, std::int64_t seed) {
  config::Config config;
  config.run.seed = seed;
  config.model.network.name = model;
  config.model.latent_dim = latent;
  config.model.hidden_dims = levels_for(shape);
  config.data.shuffle_window_chunks = 0;
  return config;
}

// Sets sigma of the Gaussian likelihood, in data units.
void set_sigma(config::Config& config, double sigma) {
  config.objective.likelihood.settings_of<objective::GaussianSettings>("gaussian").sigma = sigma;
}

class Experiments {
 public:
  Experiments(const data::SampleDataset& training, const data::SampleDataset& held_out,
              const LessonSizes& sizes, const device::DeviceChoice& device, int threads,
              std::int64_t seed, const std::function<void(const std::string&)>& say)
      : training_(training),
        held_out_(held_out),
        sizes_(sizes),
        device_(device),
        threads_(threads),
        seed_(seed),
        say_(say),
        self_(comm::make_self_communicator()) {}

  LessonResults run() {
    LessonResults out;
    out.data = training_.description();
    out.shape = training_.shape();
    out.training_images = training_.size();
    const data::InputFormat format = input::input_format(
        base_config(out.shape, "vanilla_vae", 1, seed_), held_out_, device_.device);
    out.top_variance =
        evaluate::top_variance(training_, std::min<std::int64_t>(2000, training_.size()), format);
    out.mean_image_mse = mean_image_mse_ =
        evaluate::mean_image_mse(held_out_, format, std::min(kEvaluated, held_out_.size()), *self_);
    real_ = images(held_out_, std::min(sizes_.compared, held_out_.size()));
    out.originals = real_.narrow(0, 0, kShown);
    const at::Tensor others = images(training_, std::min(real_.size(0), training_.size()));

    // The experiments are independent, and each has its own place in the results, so any number of
    // threads finds the same. The longest experiments start first.
    std::vector<Experiment> all;
    all.push_back({"the variational autoencoder", [&] { out.vae = look_at("vanilla_vae"); }});
    all.push_back({"a VAE with two latent dimensions, and its true posterior", [&] {
                     out.two_latents = examine_two_latents(two_latents(), training_, integrated(),
                                                           sizes_.long_steps, device_);
                   }});
    all.push_back({"the same VAE with the importance-weighted bound", [&] {
                     out.weighted = train_weighted(two_latents(), kTrainedDraws, training_,
                                                   integrated(), sizes_.long_steps, device_);
                   }});
    all.push_back({"the autoencoder", [&] { out.autoencoder = look_at("autoencoder"); }});
    constexpr std::array<std::int64_t, 5> kLatents = {16, 8, 4, 2, 1};
    out.decoders.resize(kLatents.size());
    for (std::size_t i = 0; i < kLatents.size(); ++i)
      all.push_back({base::text("a decoder without an encoder, ", kLatents[i], " latent dimension",
                                kLatents[i] == 1 ? "" : "s"),
                     [&, i] { out.decoders[kLatents.size() - 1 - i] = decoder(kLatents[i]); }});
    const std::array<std::pair<objective::Variance, const char*>, 4> widths = {
        {{objective::Variance::fixed, "0.1, as chosen above"},
         {objective::Variance::optimal, "one for all images"},
         {objective::Variance::predicted_shared, "one for each image"},
         {objective::Variance::predicted, "one for each pixel"}}};
    out.widths.resize(widths.size());
    for (std::size_t i = 0; i < widths.size(); ++i)
      all.push_back({base::text("a VAE with a sigma: ", widths[i].second), [&, i] {
                       out.widths[i] =
                           with_variance(widths[i].first, widths[i].second, out.predicted_widths);
                     }});
    constexpr std::array<double, 6> kBetas = {1, 4, 16, 64, 256, 1024};
    out.betas.resize(kBetas.size());
    for (std::size_t i = 0; i < kBetas.size(); ++i)
      all.push_back({base::text("a VAE with beta ", kBetas[i]),
                     [&, i] { out.betas[i] = with_beta(kBetas[i]); }});
    // Weights around the M_N at which sigma_eff^2 = M_N * D / 2 equals the largest variance along a
    // direction.
    const double critical = 2 * out.top_variance / static_cast<double>(out.shape.values());
    constexpr std::array<double, 6> kFactors = {0.001, 0.01, 0.1, 0.3, 1, 3};
    out.kld_weights.resize(kFactors.size());
    for (std::size_t i = 0; i < kFactors.size(); ++i)
      all.push_back({base::text("a VAE with M_N ", kFactors[i] * critical),
                     [&, i] { out.kld_weights[i] = with_kld_weight(kFactors[i] * critical); }});
    all.push_back({"how much of the data other real images cover", [&] {
                     out.real_coverage = evaluate::coverage_of(real_.flatten(1), others.flatten(1));
                   }});
    all.push_back({"how much the mean image covers", [&] {
                     out.mean_image_coverage = evaluate::coverage_of(
                         real_.flatten(1),
                         others.flatten(1).mean(0, true).expand({real_.size(0), -1}));
                   }});
    run_all(all);
    return out;
  }

 private:
  struct Experiment {
    std::string what;
    std::function<void()> run;
  };

  // The networks are so small that several threads of one training would mostly wait for each
  // other. So each training gets one thread, and several trainings run at once.
  void run_all(const std::vector<Experiment>& all) {
    base::ThreadTeam team(std::min(threads_, static_cast<int>(all.size())));
    std::mutex progress_mutex;
    std::atomic<std::size_t> next = 0;
    team.divide(team.size(), [&](std::int64_t, std::int64_t) {
      at::init_num_threads();  // sets the process's number, one; a new thread would otherwise use
                               // as many as the machine has cores
      for (std::size_t i; (i = next++) < all.size();) {
        {
          const std::lock_guard lock(progress_mutex);
          say_(all[i].what);
        }
        all[i].run();
      }
    });
  }

  at::Tensor images(const data::SampleDataset& data, std::int64_t count) const {
    return data::model_input(evaluate::read_samples(data, 0, count),
                             input::input_format(config::Config{}, data, c10::kCPU))
        .contiguous();
  }

  SystemResult look_at(const std::string& name) {
    SystemResult look;
    look.config = base_config(training_.shape(), name, kLatent, seed_);
    if (name == "vanilla_vae") {
      // Sigma is a pixel's own standard deviation for any data, so the latents have to explain what
      // is systematic, not every pixel.
      look.config.objective.reduction = config::Reduction::sum;
      set_sigma(look.config, std::sqrt(mean_image_mse_));
    }
    ShortTraining training(look.config, training_, device_);
    training.train(sizes_.long_steps);
    look.curve = training.curve();
    look.evaluation = training.evaluate_on(held_out_, std::min(kEvaluated, held_out_.size()));
    const data::InputFormat format = input::input_format(look.config, held_out_, device_.device);
    look.reconstructions = evaluate::reconstruct(training.model(), held_out_, 0, kShown, format,
                                                 evaluate::Latent::mean, seed())
                               .reconstructions;
    const at::Tensor samples = evaluate::sample_prior(training.model(), real_.size(0), seed());
    look.samples = samples.narrow(0, 0, kShown).clone();
    look.box_samples =
        evaluate::sample_prior(training.model(), kShown, seed(), 1.0, evaluate::Prior::box);
    look.coverage = evaluate::coverage_of(real_.flatten(1), samples.flatten(1));
    take_codes(training.model(), format, look);
    return look;
  }

  void take_codes(model::LatentModel& model, const data::InputFormat& format,
                  SystemResult& look) const {
    const at::NoGradGuard no_grad;
    model.eval();
    const model::Posterior posterior = model.encode(data::model_input(
        evaluate::read_samples(held_out_, 0, std::min(kCodesShown, held_out_.size())), format));
    // The input of the decoder: a point, or draws of q(z|x), whose mixture over the data should be
    // N(0, I).
    at::Tensor z = posterior.mu;
    if (!posterior.is_point())
      z = model::reparameterize(
          posterior, evaluate::keyed_noise(model, base::Purpose::evaluation, seed(), 0, z.size(0)));
    z = z.to(at::kCPU, at::kDouble);
    look.code_deviation = z.square().mean().sqrt().item<double>();
    const at::Tensor widest = std::get<1>(z.var(0).topk(2));
    const at::Tensor x = z.select(1, widest[0].item<std::int64_t>()).contiguous(),
                     y = z.select(1, widest[1].item<std::int64_t>()).contiguous();
    look.code_x.assign(x.const_data_ptr<double>(), x.const_data_ptr<double>() + x.numel());
    look.code_y.assign(y.const_data_ptr<double>(), y.const_data_ptr<double>() + y.numel());
  }

  DecoderResult decoder(std::int64_t latent) {
    config::Config config = base_config(training_.shape(), "decoder_only", latent, seed_);
    config.objective.reduction = config::Reduction::sum;
    set_sigma(config, kSigma);
    config.objective.prior_samples = kPriorSamples;
    ShortTraining training(config, training_, device_);
    training.train(sizes_.short_steps);
    const evaluate::Evaluation result =
        training.evaluate_on(held_out_, std::min(kEvaluated, held_out_.size()));
    return {latent, kPriorSamples, *result.effective_samples, result.log_p,
            evaluate::sample_prior(training.model(), kShown / 2, seed())};
  }

  // A network without kinks, because a grid integrates smooth densities best.
  config::Config two_latents() const {
    config::Config config = base_config(training_.shape(), "mlp_vae", 2, seed_);
    config.model.hidden_dims = {64, 32};
    config.model.activation = config::Activation::silu;
    config.objective.reduction = config::Reduction::sum;
    set_sigma(config, std::sqrt(mean_image_mse_));
    return config;
  }

  at::Tensor integrated() const { return real_.narrow(0, 0, std::min(kIntegrated, real_.size(0))); }

  WidthResult with_variance(objective::Variance variance, const std::string& sigma,
                            PredictedWidths& predicted) {
    config::Config config = base_config(training_.shape(), "vanilla_vae", 16, seed_);
    config.objective.reduction = config::Reduction::sum;
    set_sigma(config, kSigma);
    config.objective.likelihood.settings_of<objective::GaussianSettings>("gaussian").variance =
        variance;
    // Two of the sigmas begin at 1 and have a long way to go.
    config.train.optimizer.learning_rate *= 3;
    ShortTraining training(config, training_, device_);
    training.train(sizes_.short_steps);
    const evaluate::Evaluation result =
        training.evaluate_on(held_out_, std::min(kEvaluated, held_out_.size()));
    if (variance == objective::Variance::predicted_shared)
      predicted = predicted_widths(training.model(), config);
    return {sigma, *result.elbo_nats, result.kld_nats, result.mse};
  }

  PredictedWidths predicted_widths(model::LatentModel& model, const config::Config& config) const {
    const at::NoGradGuard no_grad;
    model.eval();
    const at::Tensor images = data::model_input(
        evaluate::read_samples(held_out_, 0, std::min(kEvaluated, held_out_.size())),
        input::input_format(config, held_out_, device_.device));
    const model::Decoded decoded = model.decode(model.encode(images).mu);
    const at::Tensor sigma = (0.5 * decoded.second).exp().view(-1).to(at::kCPU, at::kDouble),
                     error = (decoded.output - images).square().flatten(1).mean(1).cpu();
    const at::Tensor order = sigma.argsort();
    const std::int64_t count = std::min(kWidthsShown, images.size(0) / 2);
    const at::Tensor narrow = order.narrow(0, 0, count), wide = order.narrow(0, -count, count);
    const auto numbers = [](const at::Tensor& values) {
      const at::Tensor row = values.to(at::kDouble).contiguous();
      return std::vector<double>(row.const_data_ptr<double>(),
                                 row.const_data_ptr<double>() + row.numel());
    };
    PredictedWidths out{images.cpu().index_select(0, narrow),
                        images.cpu().index_select(0, wide),
                        numbers(sigma.index_select(0, narrow)),
                        numbers(sigma.index_select(0, wide)),
                        {},
                        {}};
    for (const at::Tensor& group : order.chunk(std::min(kGroupsOfWidths, images.size(0)))) {
      out.sigma.push_back(sigma.index_select(0, group).square().mean().sqrt().item<double>());
      out.error.push_back(error.index_select(0, group).mean().sqrt().item<double>());
    }
    return out;
  }

  WeightResult weigh(const config::Config& config, double weight, double effective_sigma) {
    ShortTraining training(config, training_, device_);
    training.train(sizes_.short_steps);
    const evaluate::Evaluation result =
        training.evaluate_on(held_out_, std::min(kEvaluated, held_out_.size()));
    return {weight, effective_sigma, result.reconstruction, result.kld_nats, result.mse};
  }

  WeightResult with_beta(double beta) {
    config::Config config = base_config(training_.shape(), "vanilla_vae", 16, seed_);
    config.objective.reduction = config::Reduction::sum;
    set_sigma(config, kSigma);
    config.objective.beta.value = beta;
    return weigh(config, beta, objective::effective_sigma_of_sum(1, beta, kSigma));
  }

  WeightResult with_kld_weight(double kld_weight) {
    config::Config config = base_config(training_.shape(), "vanilla_vae", 16, seed_);
    config.objective.kld_weight.rule = config::KldWeightRule::fixed;
    config.objective.kld_weight.weight = kld_weight;
    return weigh(config, kld_weight,
                 objective::effective_sigma(kld_weight, 1, training_.shape().values()));
  }

  std::uint64_t seed() const { return static_cast<std::uint64_t>(seed_); }

  const data::SampleDataset &training_, &held_out_;
  const LessonSizes& sizes_;
  const device::DeviceChoice& device_;
  int threads_;
  std::int64_t seed_;
  const std::function<void(const std::string&)>& say_;
  std::unique_ptr<comm::CpuCommunicator> self_;
  at::Tensor real_;
  double mean_image_mse_ = 0;
};

}  // namespace

LessonResults run_experiments(const data::SampleDataset& training,
                              const data::SampleDataset& held_out, const LessonSizes& sizes,
                              const device::DeviceChoice& device, int threads, std::int64_t seed,
                              const std::function<void(const std::string&)>& say) {
  if (held_out.size() < kShown || training.size() < 64)
    throw base::BadInput(base::text("the lesson needs at least 64 training images and ", kShown,
                                    " held-out images, but got ", training.size(), " and ",
                                    held_out.size()));
  return Experiments(training, held_out, sizes, device, threads, seed, say).run();
}

}  // namespace vae_dist::lesson
