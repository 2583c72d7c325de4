#include "model/vector_quantizer.hpp"

#include <ATen/ATen.h>
#include <ATen/Context.h>

#include <algorithm>
#include <numbers>
#include <stdexcept>

namespace vae_dist::model {
namespace {

// Distances to all codes that are alive at once, so that a large batch needs no more memory.
// A GPU wants more of them.
std::int64_t rows_at_once(const at::Tensor& rows, std::int64_t codes) {
  return std::max<std::int64_t>(1, (std::int64_t{1} << (rows.is_cpu() ? 22 : 27)) / codes);
}

}  // namespace

VectorQuantizer::VectorQuantizer(const CodebookOptions& options, const LatentShape& latent)
    : options_(options), latent_(latent) {
  if (latent.channels % options.groups != 0)
    throw std::invalid_argument(
        "the " + std::to_string(latent.channels) + " values of a position cannot be cut into " +
        std::to_string(options.groups) + " vectors of equal size (model.codes.groups)");
  // draw_initial_weights() gives the codebook and its sums their values.
  codebook = register_buffer("codebook", at::zeros({options.size, width()}));
  counts = register_buffer("counts", at::ones({options.size}));
  sums = register_buffer("sums", at::zeros({options.size, width()}));
  unused_steps = register_buffer(
      "unused_steps",
      at::full({options.size}, static_cast<double>(options.restart_after.value_or(0)), at::kFloat));
}

at::Tensor VectorQuantizer::rows_of(const at::Tensor& z) const {
  return z.reshape({-1, options_.groups, width(), latent_.positions})
      .transpose(2, 3)
      .reshape({-1, width()});
}

at::Tensor VectorQuantizer::latents(const at::Tensor& rows) const {
  return rows.view({-1, options_.groups, latent_.positions, width()})
      .transpose(2, 3)
      .reshape({-1, latent_.values()});
}

// |z - e|^2 = |z|^2 - 2 z e + |e|^2, where |z|^2 is the same for all codes.
at::Tensor VectorQuantizer::nearest(const at::Tensor& rows) const {
  const at::NoTF32Guard exact;
  const at::NoGradGuard no_grad;
  const at::Tensor to_codes = codebook.t(), lengths = codebook.square().sum(1) / 2;
  std::vector<at::Tensor> codes;
  for (const at::Tensor& part : rows.split(rows_at_once(rows, options_.size)))
    codes.push_back((lengths - part.mm(to_codes)).argmin(1));
  return codes.size() == 1 ? codes[0] : at::cat(codes);
}

at::Tensor VectorQuantizer::quantize(const at::Tensor& z) {
  const at::Tensor rows = rows_of(z.detach()), codes = nearest(rows);
  if (is_training() && reports_) {
    latest_rows_ = rows;
    latest_codes_ = codes;
  }
  return latents(codebook.index_select(0, codes));
}

at::Tensor VectorQuantizer::straight_through(const at::Tensor& z, const at::Tensor& quantized) {
  return z.requires_grad() ? z + (quantized - z).detach() : quantized;
}

at::Tensor VectorQuantizer::commitment(const at::Tensor& z, const at::Tensor& quantized) {
  return (z - quantized).square().sum(1).mean();
}

at::Tensor VectorQuantizer::codes_of(const at::Tensor& z) const {
  return nearest(rows_of(z)).view({-1, vectors()});
}

at::Tensor VectorQuantizer::latents_of(const at::Tensor& codes) const {
  return latents(codebook.index_select(0, codes.flatten()));
}

std::int64_t VectorQuantizer::statistics_size() const {
  return options_.size + codebook.numel() * (options_.restart_after ? 2 : 1);
}

void VectorQuantizer::add_statistics(const at::Tensor& to, const at::Tensor& first_vector,
                                     std::int64_t all_vectors, const at::Tensor& draw) const {
  const at::NoTF32Guard exact;
  const at::Tensor counted = to.narrow(0, 0, options_.size),
                   summed = to.narrow(0, options_.size, codebook.numel()).view_as(codebook);
  // A product with ones and zeros adds in an order that depends on the shapes alone, which
  // scattered additions of a GPU do not.
  const at::Tensor numbers = at::arange(options_.size, latest_codes_.options());
  const std::int64_t at_once = rows_at_once(latest_rows_, options_.size);
  for (std::int64_t done = 0; done < latest_vectors(); done += at_once) {
    const std::int64_t count = std::min(at_once, latest_vectors() - done);
    const at::Tensor assigned =
        (latest_codes_.narrow(0, done, count).unsqueeze(1) == numbers).to(latest_rows_.dtype());
    counted.add_(assigned.sum(0));
    summed.add_(assigned.t().mm(latest_rows_.narrow(0, done, count)));
  }
  if (!options_.restart_after) return;
  // Multiples of the golden ratio, modulo 1, are never close to each other, so the candidates come
  // from all over the batch. Each is a vector of one batch of the step; in the others it is 0.
  const at::Tensor places =
      ((at::arange(options_.size, draw.options()) * (std::numbers::phi - 1) + draw).frac() *
       static_cast<double>(all_vectors))
          .floor() -
      first_vector;
  const at::Tensor here =
      places.ge(0).logical_and(places.lt(static_cast<double>(latest_vectors())));
  const at::Tensor rows = latest_rows_.index_select(
      0, places.clamp(0, static_cast<double>(latest_vectors() - 1)).to(at::kLong));
  to.narrow(0, options_.size + codebook.numel(), codebook.numel())
      .view_as(codebook)
      .add_(at::where(here.unsqueeze(1), rows, at::zeros({}, rows.options())));
}

void VectorQuantizer::update(const at::Tensor& of_step, const at::Tensor& skip) {
  const at::NoGradGuard no_grad;
  const auto matrix = [&](std::int64_t index) {
    return of_step.narrow(0, options_.size + index * codebook.numel(), codebook.numel())
        .view_as(codebook);
  };
  const at::Tensor counted = of_step.narrow(0, 0, options_.size);
  at::Tensor new_counts = counts * options_.decay + counted * (1 - options_.decay),
             new_sums = sums * options_.decay + matrix(0) * (1 - options_.decay),
             new_unused = at::where(counted > 0, at::zeros_like(counted), unused_steps + 1);
  if (options_.restart_after) {
    const at::Tensor due = new_unused >= static_cast<double>(*options_.restart_after);
    new_counts = at::where(due, at::ones_like(counts), new_counts);
    new_sums = at::where(due.unsqueeze(1), matrix(1), new_sums);
    new_unused = at::where(due, at::zeros_like(new_unused), new_unused);
  }
  const at::Tensor all = new_counts.sum(),
                   smoothed = (new_counts + kEpsilon) /
                              (all + static_cast<double>(options_.size) * kEpsilon) * all;
  const at::Tensor keeps = skip.to(at::kBool);
  codebook.copy_(at::where(keeps, codebook, new_sums / smoothed.unsqueeze(1)));
  counts.copy_(at::where(keeps, counts, new_counts));
  sums.copy_(at::where(keeps, sums, new_sums));
  unused_steps.copy_(at::where(keeps, unused_steps, new_unused));
}

at::Tensor VectorQuantizer::use(const at::Tensor& of_step) const {
  const at::Tensor counted = of_step.narrow(0, 0, options_.size), shares = counted / counted.sum();
  return at::stack(
      {(-at::xlogy(shares, shares).sum()).exp(), (counted > 0).to(counted.scalar_type()).sum()});
}

}  // namespace vae_dist::model
