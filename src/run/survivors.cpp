#include "run/survivors.hpp"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <thread>

#include "base/durable_file.hpp"
#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/utf8.hpp"

namespace vae_dist::run {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{10};
constexpr const char* kResult = "result";

nlohmann::json object_in(const std::string& text) {
  return nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
}

std::string ranks_text(const std::vector<Survivor>& survivors) {
  std::string out;
  for (const Survivor& each : survivors)
    out += base::text(out.empty() ? "rank " : ", ", each.rank, " has ", each.state);
  return out;
}

}  // namespace

std::string to_json(const Survivor& survivor) {
  const nlohmann::ordered_json object = {{"start", survivor.start},
                                         {"rank", survivor.rank},
                                         {"host", survivor.host},
                                         {"step", survivor.step},
                                         {"state", survivor.state}};
  return base::json_text(object) + "\n";
}

std::optional<Survivor> survivor_in(const std::string& text) {
  try {
    const nlohmann::json object = object_in(text);
    return Survivor{object.at("start"), object.at("rank"), object.at("host"), object.at("step"),
                    object.at("state")};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

Writer choose_writer(const std::vector<Survivor>& survivors, const std::string& start) {
  std::vector<Survivor> highest;
  for (const Survivor& each : survivors) {
    if (each.start != start) continue;
    if (!highest.empty() && each.step > highest.front().step) highest.clear();
    if (highest.empty() || each.step == highest.front().step) highest.push_back(each);
  }
  if (highest.empty()) return {.why_nobody = "no rank has a state that can be saved"};
  std::ranges::sort(highest, {}, &Survivor::rank);
  std::set<std::string> states;
  for (const Survivor& each : highest) states.insert(each.state);
  const std::int64_t step = highest.front().step;
  if (states.size() > 1)
    return {-1, step, base::text("the states after step ", step, " differ: ", ranks_text(highest))};
  return {highest.front().rank, step, ""};
}

SurvivorFiles::SurvivorFiles(std::filesystem::path folder, std::string start)
    : folder_(std::move(folder)), start_(std::move(start)) {}

// Not synced: the file is for ranks that run now.
void SurvivorFiles::replace(const std::string& name, const std::string& text) const {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  const std::filesystem::path whole = folder_ / base::text(start_, "_", name, ".json"),
                              part = folder_ / base::text(".", start_, "_", name, "_", ::getpid());
  base::write_and_sync(part, text);
  std::filesystem::rename(part, whole, error);
  if (error)
    throw base::Failure(base::text("cannot write ", whole.string(), ": ", error.message()));
}

void SurvivorFiles::leave(const Survivor& survivor) const {
  replace(base::text("rank_", survivor.rank), to_json(survivor));
}

void SurvivorFiles::leave(const SurvivorsResult& result) const {
  const nlohmann::ordered_json object = {
      {"rank", result.rank}, {"step", result.step}, {"failure", result.failure}};
  replace(kResult, base::json_text(object) + "\n");
}

std::vector<Survivor> SurvivorFiles::survivors() const {
  std::vector<Survivor> out;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder_, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(start_ + "_rank_")) continue;
    try {
      if (auto survivor = survivor_in(base::read_file(entry->path())))
        out.push_back(std::move(*survivor));
    } catch (const base::BadInput&) {
      continue;  // a file system that is in trouble as well
    }
  }
  return out;
}

std::optional<SurvivorsResult> SurvivorFiles::result() const {
  try {
    const nlohmann::json object =
        object_in(base::read_file(folder_ / base::text(start_, "_", kResult, ".json")));
    return SurvivorsResult{object.at("rank"), object.at("step"), object.at("failure")};
  } catch (const base::BadInput&) {
    return std::nullopt;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

SurvivorsResult agree_and_write(const SurvivorFiles& files, const std::string& start,
                                const SurvivorsTerms& terms) {
  try {
    if (const auto result = files.result()) return *result;
    if (terms.mine) files.leave(*terms.mine);

    std::vector<Survivor> survivors = files.survivors();
    for (const base::Stopwatch since;
         !terms.all_are_there(survivors) && since.elapsed() < terms.to_gather;
         survivors = files.survivors()) {
      if (const auto result = files.result()) return *result;
      std::this_thread::sleep_for(kBetweenLooks);
    }
    const Writer writer = choose_writer(survivors, start);
    if (writer.rank < 0) return {-1, writer.step, writer.why_nobody};
    if (terms.mine && writer.rank == terms.mine->rank) {
      const SurvivorsResult mine{writer.rank, writer.step, terms.write()};
      files.leave(mine);
      return mine;
    }
    for (const base::Stopwatch since; since.elapsed() < terms.to_write;) {
      if (const auto result = files.result()) return *result;
      std::this_thread::sleep_for(kBetweenLooks);
    }
    return {-1, writer.step,
            base::text("rank ", writer.rank, " has not written it within ", terms.to_write.count(),
                       " s")};
  } catch (const std::exception& error) {
    return {-1, 0, error.what()};
  }
}

std::string random_start() {
  std::random_device device;
  const std::uint64_t high = device();
  return base::hash_name(high << 32 | device());
}

}  // namespace vae_dist::run
