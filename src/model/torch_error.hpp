// What an error of LibTorch says to people.
#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <string>

namespace vae_dist::model {

/// Returns the message of an error, of LibTorch's own without the backtrace in C++.
inline std::string said_by(const std::exception& error) {
  const auto* const of_torch = dynamic_cast<const c10::Error*>(&error);
  return of_torch ? of_torch->what_without_backtrace() : error.what();
}

}  // namespace vae_dist::model
