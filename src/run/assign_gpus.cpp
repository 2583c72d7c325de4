#include "run/assign_gpus.hpp"

#include <map>
#include <set>
#include <sstream>

namespace vae_dist::run {
namespace {

// Finds the most ranks that can have a GPU of their own, by augmenting paths: a rank whose GPUs are
// all taken asks their owners, one after the other, to move to another one.
class Matching {
 public:
  explicit Matching(const SeenGpus& seen) : seen_(seen), number_(seen.size(), -1) {
    for (std::size_t rank = 0; rank < seen.size(); ++rank) {
      asked_.clear();
      place(rank);
    }
  }

  /// By local rank; -1: none is left for it.
  const std::vector<int>& numbers() const { return number_; }

 private:
  bool place(std::size_t rank) {
    for (const bool moves : {false, true})
      for (std::size_t i = 0; i < seen_[rank].size(); ++i) {
        const device::GpuIdentity& gpu = seen_[rank][i];
        const auto owner = owner_.find(gpu);
        if (owner != owner_.end()) {
          if (!moves || !asked_.insert(gpu).second || !place(owner->second)) continue;
        }
        owner_[gpu] = rank;
        number_[rank] = static_cast<int>(i);
        return true;
      }
    return false;
  }

  const SeenGpus& seen_;
  std::vector<int> number_;
  std::map<device::GpuIdentity, std::size_t> owner_;
  std::set<device::GpuIdentity> asked_;
};

}  // namespace

SeenGpus gather_seen_gpus(comm::CpuCommunicator& node,
                          const std::vector<device::GpuIdentity>& seen_by_this_rank) {
  std::ostringstream mine;
  for (const device::GpuIdentity& gpu : seen_by_this_rank)
    mine << gpu.pci_bus_id << ' ' << gpu.uuid << '\n';
  SeenGpus out;
  for (const std::string& told : comm::all_gather_text(node, mine.str())) {
    std::istringstream words(told);
    std::vector<device::GpuIdentity>& seen = out.emplace_back();
    for (device::GpuIdentity gpu; words >> gpu.pci_bus_id >> gpu.uuid;) seen.push_back(gpu);
  }
  return out;
}

GpuAssignment assign_gpus(const SeenGpus& seen) {
  GpuAssignment out{Matching(seen).numbers(), std::nullopt};
  std::map<std::string, std::size_t> ranks_of_cards;
  for (std::size_t rank = 0; rank < seen.size(); ++rank) {
    if (seen[rank].empty()) continue;
    int& number = out.gpus[rank];
    if (number < 0) number = static_cast<int>(rank % seen[rank].size());
    const std::string& card = seen[rank][static_cast<std::size_t>(number)].pci_bus_id;
    const auto [first, is_new] = ranks_of_cards.emplace(card, rank);
    if (!is_new && !out.shared) out.shared = {first->second, rank, card};
  }
  return out;
}

}  // namespace vae_dist::run
