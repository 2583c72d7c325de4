// Errors as the user and the shell see them: a sentence that says what happened, where and what to
// do, and an exit code.
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>

#include "base/text.hpp"

namespace vae_dist::base {

/// The exit codes of vae_dist. A rank killed by signal n makes plain mpirun return 128 + n.
enum class ExitCode : int {
  done = 0,
  bad_input = 2,    ///< config, dataset, checkpoint or machine was refused before the first step
  rank_failed = 3,  ///< a rank failed after the start
  timed_out = 4,    ///< a collective did not complete
  stopped = 75,     ///< stopped on request, with a checkpoint: rerun to continue (EX_TEMPFAIL)
};

/// An error with an exit code and the place in the source that raised it.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message,
        std::source_location where = std::source_location::current())
      : std::runtime_error(message), code_(code), where_(where) {}

  ExitCode code() const { return code_; }
  const std::source_location& where() const { return where_; }

 private:
  ExitCode code_;
  std::source_location where_;
};

/// The input is wrong (exit code 2). The message names the place (file, line, key, dataset path)
/// and the remedy.
class BadInput : public Error {
 public:
  explicit BadInput(const std::string& message,
                    std::source_location where = std::source_location::current())
      : Error(ExitCode::bad_input, message, where) {}
};

/// A call into the system or a library failed (exit code 3).
class Failure : public Error {
 public:
  explicit Failure(const std::string& message,
                   std::source_location where = std::source_location::current())
      : Error(ExitCode::rank_failed, message, where) {}
};

/// An exchange with other ranks failed, possibly because one of them failed first.
class CommunicationFailure : public Failure {
 public:
  using Failure::Failure;
};

/// Returns the exit code for any exception: that of an Error, otherwise rank_failed.
ExitCode exit_code(const std::exception& error);

/// Whether the error is that of a thread that could not be started, for lack of memory or because
/// of a limit on threads.
bool is_thread_start(const std::exception& error);

/// Returns one paragraph for the user: "vae_dist: message". Adds the source location unless the
/// error is a BadInput, and the rank if `rank` >= 0.
std::string describe(const std::exception& error, int rank = -1);

}  // namespace vae_dist::base
