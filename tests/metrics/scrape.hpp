// Scrapes an endpoint on this machine as Prometheus does, and extracts single values.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

namespace vae_dist::metrics {

/// Returns the whole answer to GET /metrics on 127.0.0.1.
inline std::string scrape(int port) {
  const int connection = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(connection);
    throw std::runtime_error("nobody answers on port " + std::to_string(port));
  }
  const std::string request = "GET /metrics HTTP/1.0\r\nConnection: close\r\n\r\n";
  if (::send(connection, request.data(), request.size(), 0) != static_cast<ssize_t>(request.size()))
    throw std::runtime_error("cannot send");
  std::string answer;
  char block[4096];
  for (ssize_t got; (got = ::recv(connection, block, sizeof block, 0)) > 0;)
    answer.append(block, static_cast<std::size_t>(got));
  ::close(connection);
  return answer;
}

/// Returns the value of the line that starts with `series`, e.g. `vae_dist_loss{host="h",run="r"}`;
/// empty if there is none.
inline std::optional<double> value_of(const std::string& answer, const std::string& series) {
  const std::size_t found = answer.find("\n" + series + " ");
  if (found == std::string::npos) return std::nullopt;
  return std::stod(answer.substr(found + series.size() + 2));
}

}  // namespace vae_dist::metrics
