#include "checkpoint/manifest.hpp"

#include <openssl/evp.h>

#include <array>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/utf8.hpp"
#include "checkpoint/strict_json.hpp"

namespace vae_dist::checkpoint {
namespace {

using nlohmann::json;

constexpr std::int64_t kFormat = 1;

// Adds the hash. `json` sorts its keys, so equal manifests give equal texts.
std::string sealed(json manifest) {
  manifest.erase("xxh3");
  manifest["xxh3"] = base::hash_name(base::hash_text(base::json_text(manifest)));
  return base::json_text(manifest, 2) + "\n";
}

std::string sha256_name(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1)
    throw base::Failure("libcrypto cannot compute SHA-256");
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string name;
  for (unsigned int i = 0; i < length; ++i)
    name += {kHex[digest.at(i) >> 4], kHex[digest.at(i) & 15]};
  return name;
}

}  // namespace

Manifest::File describe_file(std::string_view bytes) {
  return {bytes.size(), base::hash_name(base::hash_text(bytes)), sha256_name(bytes)};
}

bool matches(std::string_view bytes, const Manifest::File& file) {
  return bytes.size() == file.bytes && base::hash_name(base::hash_text(bytes)) == file.xxh3;
}

std::string to_json(const Manifest& manifest) {
  json object = {{"format", kFormat}, {"step", manifest.step}, {"files", json::object()}};
  for (const auto& [name, file] : manifest.files) {
    object["files"][name] = {{"bytes", file.bytes}, {"xxh3", file.xxh3}};
    if (!file.sha256.empty()) object["files"][name]["sha256"] = file.sha256;
  }
  if (manifest.after_failure) object["after_failure"] = true;
  return sealed(std::move(object));
}

Manifest manifest_from_json(std::string_view bytes, const std::string& name) {
  const json object = parse_strict_json(bytes, name);
  // Compares texts, so that every byte counts. Every format has this hash, so the check comes
  // before the check of the format.
  if (sealed(object) != bytes)
    throw base::BadInput(
        base::text(name, ": its hash is wrong: the file is damaged or was edited"));
  try {
    const auto format = object.at("format").get<std::int64_t>();
    if (format != kFormat)
      throw base::BadInput(base::text(name, ": the checkpoint has format ", format,
                                      ", but this vae_dist reads format ", kFormat,
                                      ": use a newer vae_dist"));
    Manifest manifest{object.at("step").get<std::int64_t>(), {}};
    manifest.after_failure = object.value("after_failure", false);
    for (const auto& [file, entry] : object.at("files").items())
      manifest.files[file] = {entry.at("bytes").get<std::uint64_t>(),
                              entry.at("xxh3").get<std::string>(),
                              entry.value("sha256", std::string())};
    return manifest;
  } catch (const json::exception& error) {
    throw base::BadInput(
        base::text(name, ": this is not a manifest of vae_dist (", error.what(), ")"));
  }
}

}  // namespace vae_dist::checkpoint
