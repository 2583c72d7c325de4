#include "checkpoint/strict_json.hpp"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "base/error.hpp"

namespace vae_dist::checkpoint {
namespace {

using nlohmann::json;

// Checkpoint files need at most 3 levels. The limit keeps "[[[[..." from creating one value per
// byte.
constexpr int kDeepest = 8;

}  // namespace

json parse_strict_json(std::string_view bytes, const std::string& name) {
  std::vector<std::set<std::string>> keys_at(kDeepest +
                                             1);  // keys of the open object at each depth
  const auto check = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > kDeepest)
      throw base::BadInput(base::text(name, ": its JSON is nested deeper than ", kDeepest,
                                      " levels: the file is damaged"));
    if (event == json::parse_event_t::object_start) keys_at[depth].clear();
    // A key belongs to the object that was opened one level up.
    if (event == json::parse_event_t::key &&
        !keys_at[depth - 1].insert(value.get<std::string>()).second)
      throw base::BadInput(
          base::text(name, ": '", value.get<std::string>(), "' occurs twice: the file is damaged"));
    return true;
  };
  json parsed;
  try {
    parsed = json::parse(bytes.begin(), bytes.end(), check);
  } catch (const json::parse_error& error) {
    throw base::BadInput(
        base::text(name, ": invalid JSON at byte ", error.byte, ": the file is damaged"));
  } catch (const json::exception& error) {
    throw base::BadInput(base::text(name, ": ", error.what(), ": the file is damaged"));
  }
  if (!parsed.is_object())
    throw base::BadInput(base::text(name, ": it is not a JSON object: the file is damaged"));
  return parsed;
}

}  // namespace vae_dist::checkpoint
