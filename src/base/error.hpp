// What can go wrong, as the user and the shell see it: a sentence (what happened, where, what to
// do) and an exit code.
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>

#include "base/text.hpp"

namespace vae_dist::base {

/// The exit codes of vae_dist. A rank killed by signal n makes plain mpirun return 128 + n.
enum class ExitCode : int {
  done = 0,
  bad_input = 2,    ///< config, dataset, checkpoint or machine: refused before the first step
  rank_failed = 3,  ///< a rank failed after the start
  timed_out = 4,    ///< a collective did not complete
  stopped = 75,     ///< stopped on request, with a checkpoint: run again to go on (EX_TEMPFAIL)
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

/// An exchange with other ranks failed: perhaps because one of them did.
class CommunicationFailure : public Failure {
 public:
  using Failure::Failure;
};

/// The exit code for any exception: an Error's own, else rank_failed.
ExitCode exit_code(const std::exception& error);

/// One paragraph for a person: "vae_dist: message". Errors that are no bad input add the source
/// location; `rank` is named when >= 0.
std::string describe(const std::exception& error, int rank = -1);

}  // namespace vae_dist::base
