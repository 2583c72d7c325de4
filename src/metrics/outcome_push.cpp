#include "metrics/outcome_push.hpp"

#include <curl/curl.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>

#include "base/error.hpp"
#include "base/utf8.hpp"

namespace vae_dist::metrics {
namespace {

std::string exposition(const JobOwner& owner, const JobOutcome& outcome) {
  prometheus::Registry registry;
  const auto add = [&](const std::string& name, const std::string& help,
                       prometheus::Labels labels = {}) -> prometheus::Gauge& {
    if (!owner.job_id.empty()) labels["job_id"] = base::utf8_text(owner.job_id);
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(labels);
  };
  add("vae_dist_job_outcome",
      "Always 1; the label says how the job ended: done, stopped (with a checkpoint to resume "
      "from) or failed.",
      {{"outcome", outcome.outcome}})
      .Set(1);
  add("vae_dist_job_last_step", "Training steps completed when the job ended.")
      .Set(static_cast<double>(outcome.last_step));
  add("vae_dist_job_duration_seconds", "Time that the job trained, seconds.")
      .Set(outcome.duration.count());
  add("vae_dist_job_end_timestamp_seconds", "Unix time at which the job ended, seconds.")
      .Set(std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
               .count());
  if (outcome.loss)
    add("vae_dist_job_loss", "Training loss of the job's last step that was not skipped.")
        .Set(*outcome.loss);
  return prometheus::TextSerializer().Serialize(registry.Collect());
}

std::string escaped(CURL* curl, const std::string& part) {
  const std::unique_ptr<char, decltype(&curl_free)> text(
      curl_easy_escape(curl, part.c_str(), static_cast<int>(part.size())), curl_free);
  return text.get();
}

std::size_t append_response(char* data, std::size_t, std::size_t bytes, void* answer) {
  constexpr std::size_t kMaxResponse = 300;
  auto& kept = *static_cast<std::string*>(answer);
  kept.append(data, std::min(bytes, kMaxResponse - std::min(kept.size(), kMaxResponse)));
  return bytes;
}

}  // namespace

// prometheus-cpp's own Gateway waits five minutes for an address that drops packets.
void push_outcome(const std::string& gateway, const JobOwner& owner, const JobOutcome& outcome,
                  base::Seconds limit) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(
      started == CURLE_OK ? curl_easy_init() : nullptr, curl_easy_cleanup);
  if (!curl) throw base::Failure("cannot push the outcome: libcurl cannot be initialised");
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(
      curl_slist_append(nullptr, "Content-Type: text/plain; version=0.0.4; charset=utf-8"),
      curl_slist_free_all);
  const std::string url =
      base::text(gateway, gateway.ends_with('/') ? "" : "/", "metrics/job/vae_dist/run/",
                 escaped(curl.get(), base::utf8_text(owner.run)), "/user/",
                 escaped(curl.get(), base::utf8_text(owner.user)));
  const std::string body = exposition(owner, outcome);
  std::array<char, CURL_ERROR_SIZE> reason{};
  std::string answer;
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_DEFAULT_PROTOCOL, "http");
  curl_easy_setopt(
      curl.get(), CURLOPT_CUSTOMREQUEST,
      "PUT");  // POST would keep metrics that an earlier job pushed and this one does not
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, append_response);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, reason.data());
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(1000 * limit.count()));
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL,
                   1L);  // signals are unsafe because other threads are running
  const CURLcode result = curl_easy_perform(curl.get());
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (result != CURLE_OK)
    throw base::Failure(base::text("cannot push the outcome to ", url, ": ",
                                   reason[0] != '\0' ? reason.data() : curl_easy_strerror(result)));
  if (status / 100 != 2)
    throw base::Failure(base::text("cannot push the outcome to ", url, ": the server answered ",
                                   status, ' ', answer));
}

}  // namespace vae_dist::metrics
