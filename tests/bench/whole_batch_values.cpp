// Prints what the terms of a whole batch say of given codes on 1, 2, 4, 8 and 16 ranks:
//   bench_whole_batch_values FILE.safetensors TRAINING_SAMPLES FREE_BITS
// The file has mu, log_var, z and prior, [G, L] in fp64. whole_batch_values.py writes it, and reads
// the lines: the number of ranks, a name, a value.
#include <cstdio>
#include <cstdlib>

#include "../step/given_batch.hpp"
#include "checkpoint/safetensors.hpp"

namespace vae_dist {
namespace {

void print_values(const std::string& file, std::int64_t training_samples,
                  const std::string& free_bits) {
  const auto tensors = checkpoint::read_safetensors(file).tensors;
  step::GivenBatch batch;
  batch.posterior = {tensors.at("mu"), tensors.at("log_var")};
  batch.z = tensors.at("z");
  batch.prior = tensors.at("prior");
  batch.x = batch.output = at::zeros({batch.size(), 1, 3, 4}, at::kDouble);
  // Weights of 0, so that the loss is the KL with free bits.
  const step::GivenObjective objective(
      batch.latent(), training_samples,
      {"objective.reduction=sum", "objective.free_bits=" + free_bits,
       "objective.regularisers=[{name: tc, weight: 0}, {name: tc, weight: 0, estimator: weighted}, "
       "{name: mmd, weight: 0, kernel: rbf, estimator: biased}, {name: mmd, weight: 0, kernel: "
       "rbf}, {name: dip, weight: 0, kind: i}]"});
  for (const int ranks : {1, 2, 4, 8, 16})
    for (const auto& [name, value] : objective.values(batch, ranks, 16))
      std::printf("%d %s %.17g\n", ranks, name.c_str(), value);
}

}  // namespace
}  // namespace vae_dist

int main(int count, char** words) {
  if (count != 4) {
    std::fprintf(stderr, "usage: %s FILE.safetensors TRAINING_SAMPLES FREE_BITS\n", words[0]);
    return 2;
  }
  vae_dist::print_values(words[1], std::strtoll(words[2], nullptr, 10), words[3]);
}
