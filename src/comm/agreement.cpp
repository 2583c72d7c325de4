#include "comm/agreement.hpp"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace vae_dist::comm {
namespace {

std::string rank_list(const std::vector<int>& ranks) {
  std::string out = ranks.size() == 1 ? "rank " : "ranks ";
  for (std::size_t i = 0; i < ranks.size(); ++i) out += (i ? ", " : "") + std::to_string(ranks[i]);
  return out;
}

const char* have(const std::vector<int>& ranks) { return ranks.size() == 1 ? " has " : " have "; }

// Runs the phase and returns its outcome as text that can be sent. First character: k OK, i bad
// input, f failure; then the error.
std::string outcome_of(const std::function<void()>& phase) {
  try {
    phase();
  } catch (const std::exception& error) {
    return (base::exit_code(error) == base::ExitCode::bad_input ? "i" : "f") +
           std::string(error.what());
  }
  return "k";
}

}  // namespace

void agree_on_rank_0(CpuCommunicator& comm, const std::function<void()>& phase) {
  const std::string outcome = broadcast_text(comm, comm.rank() == 0 ? outcome_of(phase) : "");
  if (outcome[0] != 'k')
    throw AgreedError(outcome[0] == 'i' ? base::ExitCode::bad_input : base::ExitCode::rank_failed,
                      outcome.substr(1));
}

void agree(CpuCommunicator& comm, const std::function<void()>& phase) {
  const std::string outcome = outcome_of(phase);
  const std::vector<std::string> outcomes = all_gather_text(comm, outcome);
  std::map<std::string, std::vector<int>> ranks_of;
  base::ExitCode code = base::ExitCode::bad_input;
  for (int rank = 0; rank < comm.size(); ++rank) {
    const std::string& theirs = outcomes[static_cast<std::size_t>(rank)];
    if (theirs[0] == 'k') continue;
    if (theirs[0] == 'f') code = base::ExitCode::rank_failed;
    ranks_of[theirs.substr(1)].push_back(rank);
  }
  if (ranks_of.empty()) return;

  std::string message;
  for (const auto& [error, ranks] : ranks_of) {
    if (!message.empty()) message += "\n";
    const bool everybody = static_cast<int>(ranks.size()) == comm.size();
    message += everybody ? error : rank_list(ranks) + ": " + error;
  }
  throw AgreedError(code, message);
}

bool on_any_rank(CpuCommunicator& comm, bool mine) {
  std::int64_t flags = mine ? 1 : 0;
  comm.all_reduce_sum({&flags, 1, DataType::int64});
  return flags > 0;
}

void require_equal(CpuCommunicator& comm, const std::string& what, const std::string& value,
                   base::ExitCode code) {
  const std::vector<std::string> values = all_gather_text(comm, value);
  std::map<std::string, std::vector<int>> ranks_of;
  for (int rank = 0; rank < comm.size(); ++rank)
    ranks_of[values[static_cast<std::size_t>(rank)]].push_back(rank);
  if (ranks_of.size() == 1) return;

  // The value of most ranks is taken as right; in a tie, that of the lower ranks.
  const auto usual = std::ranges::max_element(ranks_of, {}, [](const auto& group) {
    return std::pair(group.second.size(), -group.second.front());
  });
  std::string message = base::text("the ranks differ in their ", what, ": ",
                                   rank_list(usual->second), have(usual->second), usual->first);
  for (const auto& group : ranks_of)
    if (group.first != usual->first)
      message += base::text(", but ", rank_list(group.second), have(group.second), group.first);
  throw AgreedError(
      code, message + (code == base::ExitCode::bad_input
                           ? ". Start every rank with the same program, files and libraries."
                           : ""));
}

}  // namespace vae_dist::comm
