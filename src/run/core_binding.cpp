#include "run/core_binding.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/machine_topology.hpp"
#include "base/number_ranges.hpp"
#include "base/text.hpp"
#include "input/open_data.hpp"

namespace vae_dist::run {

int CoreUse::fair_share() const { return std::max(1, job_cores / ranks_of_node); }

int CoreUse::threads() const {
  return (compute_threads > 0 ? compute_threads : fair_share()) + reader_threads +
         (exchanges ? 1 : 0);
}

bool is_core_starved(const CoreUse& use) {
  return 2 * use.cores <= std::min(use.threads(), use.fair_share());
}

CoreUse core_use(const config::Config& config, const device::DeviceChoice& device,
                 const comm::MpiWorld& world) {
  CoreUse use;
  use.cores = std::max<int>(1, static_cast<int>(base::allowed_cores().size()));
  // mpirun and srun bind the processes that they start, not themselves.
  use.job_cores = std::max<int>(
      use.cores,
      static_cast<int>(base::allowed_cores(base::text("/proc/", ::getppid(), "/status")).size()));
  use.ranks_of_node = world.local_size();
  const bool given = config.distributed.threads_per_rank || config.distributed.reproducible;
  use.compute_threads = device.device.is_cuda() ? 1 /* queues the GPU's work */
                        : given                 ? device.threads
                                                : 0;
  use.reader_threads = static_cast<int>(input::reader_threads(config.data, world.local_size()));
  use.exchanges = device.backend == device::Backend::mpi;
  return use;
}

std::string squeezed_warning(const std::vector<CoreUse>& of_rank) {
  std::vector<int> ranks;
  for (std::size_t rank = 0; rank < of_rank.size(); ++rank)
    if (is_core_starved(of_rank[rank])) ranks.push_back(static_cast<int>(rank));
  if (ranks.empty()) return "";
  const CoreUse& first = of_rank[static_cast<std::size_t>(ranks.front())];
  const char* cores = first.cores == 1 ? " core" : " cores";
  return base::text(base::ranks_text(ranks), ranks.size() == 1 ? " is" : " are each", " bound to ",
                    first.cores, cores, " of the ", first.job_cores,
                    " that this job has on the node for ", first.ranks_of_node,
                    first.ranks_of_node == 1 ? " rank" : " ranks",
                    ". Computing, reading and exchanging gradients then wait for each other. Start "
                    "with launcher/vae_launch, with mpirun --map-by slot:PE=",
                    first.fair_share(),
                    " (or --bind-to none), or with srun --cpus-per-task=", first.fair_share(), ".");
}

std::vector<CoreUse> gather_core_use(comm::CpuCommunicator& all_ranks, const CoreUse& mine) {
  constexpr std::size_t kFields = 6;
  std::array<std::int64_t, kFields> fields = {mine.cores,          mine.job_cores,
                                              mine.ranks_of_node,  mine.compute_threads,
                                              mine.reader_threads, mine.exchanges};
  std::vector<std::int64_t> all(kFields * static_cast<std::size_t>(all_ranks.size()));
  all_ranks.all_gather({fields.data(), kFields, comm::DataType::int64},
                       {all.data(), static_cast<std::int64_t>(all.size()), comm::DataType::int64});
  std::vector<CoreUse> out;
  for (std::size_t i = 0; i < all.size(); i += kFields) {
    const auto field = [&](std::size_t number) { return static_cast<int>(all[i + number]); };
    out.push_back({field(0), field(1), field(2), field(3), field(4), field(5) != 0});
  }
  return out;
}

}  // namespace vae_dist::run
