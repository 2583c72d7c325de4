#include "datasets/zip_archive.hpp"

#include <zip.h>

#include <filesystem>

#include "base/error.hpp"

namespace vae_dist::datasets {

void ZipMember::Close::operator()(zip_file* file) const { zip_fclose(file); }

std::size_t ZipMember::read(std::span<std::uint8_t> out) {
  std::size_t got = 0;
  while (got < out.size()) {
    const zip_int64_t count = zip_fread(file_.get(), out.data() + got, out.size() - got);
    if (count < 0)
      throw base::BadInput(base::text(where_, " is damaged: ", zip_file_strerror(file_.get()),
                                      "; get the file again"));
    if (count == 0) break;
    got += static_cast<std::size_t>(count);
  }
  return got;
}

ZipArchive::ZipArchive(const std::string& path) : path_(path) {
  int code = 0;
  zip* opened = zip_open(path.c_str(), ZIP_RDONLY, &code);
  if (!opened) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    throw base::BadInput(
        base::text("cannot read ", path, " as a zip file (.npz is one): ", reason));
  }
  archive_ = std::shared_ptr<zip>(opened, zip_discard);
  bytes_ = std::filesystem::file_size(path);
}

std::vector<std::string> ZipArchive::names() const {
  std::vector<std::string> out;
  const zip_int64_t members = zip_get_num_entries(archive_.get(), 0);
  for (zip_int64_t i = 0; i < members; ++i)
    if (const char* name = zip_get_name(archive_.get(), static_cast<zip_uint64_t>(i), 0))
      out.emplace_back(name);
  return out;
}

bool ZipArchive::has(const std::string& name) const {
  return zip_name_locate(archive_.get(), name.c_str(), 0) >= 0;
}

ZipMember ZipArchive::open(const std::string& name) const {
  ZipMember member;
  member.where_ = base::text(path_, ", member '", name, "'");
  const auto refuse = [&](const auto&... reason) {
    throw base::BadInput(base::text(member.where_, reason...));
  };
  const auto refuse_by_library = [&] { refuse(" cannot be read: ", zip_strerror(archive_.get())); };

  zip_stat_t status;
  zip_stat_init(&status);
  if (zip_stat(archive_.get(), name.c_str(), 0, &status) != 0) refuse_by_library();
  if (!(status.valid & ZIP_STAT_SIZE) || !(status.valid & ZIP_STAT_COMP_SIZE) ||
      !(status.valid & ZIP_STAT_COMP_METHOD))
    refuse(" has no recorded size: the file is damaged");
  if (status.comp_method != ZIP_CM_STORE && status.comp_method != ZIP_CM_DEFLATE)
    refuse(" is compressed by method ", status.comp_method,
           "; only stored and deflated members, as numpy writes them, are supported");
  if (status.comp_size > bytes_)
    refuse(" claims ", status.comp_size, " bytes in a file of ", bytes_, ": the file is damaged");

  constexpr zip_uint64_t kDeflatesMost = 1032;  // to 1: a match of 258 bytes takes 2 bits
  constexpr zip_uint64_t kSuspicious = 500, kHarmless = 64 << 20;
  const bool stored = status.comp_method == ZIP_CM_STORE;
  if (stored ? status.size != status.comp_size : status.size / kDeflatesMost > status.comp_size)
    refuse(" claims ", status.size, " bytes, which its ", status.comp_size,
           " bytes in the file cannot hold: the file is damaged");
  if (!stored && status.size > kHarmless && status.size / kSuspicious > status.comp_size)
    refuse(" looks like a decompression bomb: ", status.comp_size, " bytes expand to ", status.size,
           ". If the content is genuine, store it without compression");

  member.archive_ = archive_;
  member.file_.reset(zip_fopen_index(archive_.get(), status.index, 0));
  if (!member.file_) refuse_by_library();
  member.size_ = static_cast<std::int64_t>(status.size);
  return member;
}

}  // namespace vae_dist::datasets
