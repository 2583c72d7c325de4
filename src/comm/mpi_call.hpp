// Turns a failed MPI call into an exception, for the files that call MPI.
#pragma once

// Leaves out the C++ bindings, which MPI has dropped but some implementations still declare.
#define OMPI_SKIP_MPICXX
#define MPICH_SKIP_MPICXX
#include <mpi.h>

#include <array>

#include "base/error.hpp"

namespace vae_dist::comm {

/// Throws CommunicationFailure with MPI's error text unless `result` is MPI_SUCCESS. The
/// communicator must return errors (MPI_ERRORS_RETURN).
inline void check_mpi(int result, const char* call,
                      std::source_location where = std::source_location::current()) {
  if (result == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> reason{};
  int length = 0;
  MPI_Error_string(result, reason.data(), &length);
  throw base::CommunicationFailure(base::text(call, " failed: ", reason.data()), where);
}

}  // namespace vae_dist::comm
