// For the files that call MPI: a failed call as an exception.
#pragma once

// The C++ bindings that MPI has dropped, which some still declare.
#define OMPI_SKIP_MPICXX
#define MPICH_SKIP_MPICXX
#include <mpi.h>

#include <array>

#include "base/error.hpp"

namespace vae_dist::comm {

/// Throws CommunicationFailure with MPI's own reason unless `result` is MPI_SUCCESS. The
/// communicator returns errors (MPI_ERRORS_RETURN).
inline void check_mpi(int result, const char* call,
                      std::source_location where = std::source_location::current()) {
  if (result == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> reason{};
  int length = 0;
  MPI_Error_string(result, reason.data(), &length);
  throw base::CommunicationFailure(base::text(call, " failed: ", reason.data()), where);
}

}  // namespace vae_dist::comm
