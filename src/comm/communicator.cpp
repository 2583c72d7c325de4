#include "comm/communicator.hpp"

#include <algorithm>

namespace vae_dist::comm {

std::size_t size_of(DataType type) {
  switch (type) {
    case DataType::uint8:
      return 1;
    case DataType::int64:
      return 8;
    case DataType::bfloat16:
      return 2;
    case DataType::float32:
      return 4;
    case DataType::float64:
      return 8;
  }
  return 0;
}

std::vector<std::string> all_gather_text(CpuCommunicator& comm, const std::string& text) {
  const auto ranks = static_cast<std::size_t>(comm.size());
  auto length = static_cast<std::int64_t>(text.size());
  std::vector<std::int64_t> lengths(ranks);
  comm.all_gather({&length, 1, DataType::int64}, {lengths.data(), comm.size(), DataType::int64});

  // Every rank sends as many bytes as the longest text has.
  const std::int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  std::string padded = text;
  padded.resize(static_cast<std::size_t>(longest));
  std::string all(ranks * static_cast<std::size_t>(longest), '\0');
  comm.all_gather({padded.data(), longest, DataType::uint8},
                  {all.data(), longest * comm.size(), DataType::uint8});

  std::vector<std::string> texts(ranks);
  for (std::size_t r = 0; r < ranks; ++r)
    texts[r] =
        all.substr(r * static_cast<std::size_t>(longest), static_cast<std::size_t>(lengths[r]));
  return texts;
}

std::string broadcast_text(CpuCommunicator& comm, const std::string& text, int root) {
  auto length = static_cast<std::int64_t>(text.size());
  comm.broadcast({&length, 1, DataType::int64}, root);
  std::string received = text;
  received.resize(static_cast<std::size_t>(length));
  comm.broadcast({received.data(), length, DataType::uint8}, root);
  return received;
}

}  // namespace vae_dist::comm
