// The fixed sections (epoch_order.hpp) of a rank's replicas in its own memory, decoded once in the
// whole run.
#pragma once

#include <functional>
#include <memory>

#include "data/decoded_source.hpp"
#include "data/pieces.hpp"

namespace vae_dist::data {

class SectionMemory : public DecodedSource {
 public:
  /// Decodes the sections with `threads` threads. `on_progress` is called with the share done, by
  /// one of them. `dataset` must outlive the memory. Throws Failure if a chunk cannot be decoded.
  SectionMemory(const SampleDataset& dataset, const OrderPlan& order, const ReplicaRange& replicas,
                std::int64_t threads, const std::function<void(double)>& on_progress);

  std::size_t bytes() const { return bytes_; }

  void need(const EpochOrder&, std::int64_t, std::int64_t, std::int64_t) override {}
  std::span<const std::byte> image(std::int64_t sample) const override {
    return index_.image(sample);
  }
  void stop() override {}

 private:
  PieceIndex index_;
  std::size_t bytes_ = 0;
  std::unique_ptr<std::byte[]> images_;
};

}  // namespace vae_dist::data
