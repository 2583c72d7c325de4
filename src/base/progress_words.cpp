#include "base/progress_words.hpp"

#include <stdexcept>

namespace vae_dist::base {

ProgressWords::ProgressWords(std::vector<Collective> round,
                             std::shared_ptr<const std::uint32_t> word)
    : round_(std::move(round)), word_(std::move(word)) {
  if (round_.empty())
    throw std::invalid_argument("ProgressWords needs at least one collective per launch");
}

void ProgressWords::launching(std::int64_t times) {
  launched_at_ = std::chrono::steady_clock::now();
  launches_ += times;
}

ProgressWords::State ProgressWords::now() const {
  State out;
  // The device writes the word at any time. Read it before launches_: in the other order, marks of
  // a launch announced in between would look nearly 2^32 marks behind.
  const std::uint32_t seen = __atomic_load_n(word_.get(), __ATOMIC_ACQUIRE);
  const std::int64_t announced = launches_ * static_cast<std::int64_t>(2 * round_.size());
  // The word lags the announced marks by a few launches, so the 32-bit difference is correct after
  // any number of steps.
  const std::uint32_t behind = static_cast<std::uint32_t>(announced) - seen;
  const std::int64_t passed = announced - static_cast<std::int64_t>(behind);
  out.started = (passed + 1) / 2;
  out.finished = passed / 2;
  if (out.started > 0)
    out.latest = round_[static_cast<std::size_t>(out.started - 1) % round_.size()];
  if (announced > 0) out.since_launch = std::chrono::steady_clock::now() - launched_at_.load();
  return out;
}

}  // namespace vae_dist::base
