// Shared by the tests of this folder: a temporary directory, a checkpoint to write, a full disk.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/scalar_tensor.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <set>
#include <string>

#include "base/error.hpp"
#include "checkpoint/checkpoint.hpp"

namespace vae_dist::checkpoint {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "vae_dist_test_XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw base::Failure("cannot make " + pattern);
    path_ = pattern;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }

  /// Returns the names in the directory.
  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(path_))
      found.insert(entry.path().filename().string());
    return found;
  }

 private:
  std::filesystem::path path_;
};

/// While an object exists, writes beyond `bytes` of a file fail (EFBIG), as on a full disk
/// (ENOSPC).
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  sighandler_t handler_;
};

/// Returns a small checkpoint in which every value depends on `step`.
inline Checkpoint checkpoint_of(std::int64_t step) {
  const auto values =
      at::arange(24, at::kFloat).add(static_cast<double>(step)).reshape({2, 3, 2, 2});
  Checkpoint checkpoint;
  checkpoint.weights.tensors = {
      {"encoder.0.0.weight", values},
      {"encoder.0.1.num_batches_tracked", at::scalar_tensor(step, at::kLong)}};
  checkpoint.weights.metadata = {{"model", "vanilla_vae"}};
  checkpoint.optimizer.tensors = {{"exp_avg.encoder.0.0.weight", values.mul(0.5)}};
  checkpoint.state.step = step;
  checkpoint.state.replicas = 4;
  checkpoint.state.dataset_fingerprint = "0123456789abcdef";
  checkpoint.config_yaml = "run:\n  name: shapes\n";
  return checkpoint;
}

/// Returns the message of the Error that `call` throws; returns "" and fails the test if it throws
/// none.
template <typename ErrorType>
std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const ErrorType& error) {
    return error.what();
  }
  ADD_FAILURE() << "no exception was thrown";
  return "";
}

}  // namespace vae_dist::checkpoint
