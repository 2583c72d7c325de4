#include "comm/node_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <random>
#include <sstream>
#include <tuple>
#include <utility>

#include "base/error.hpp"
#include "base/free_memory.hpp"
#include "comm/agreement.hpp"

namespace vae_dist::comm {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
  explicit Descriptor(int descriptor = -1) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

base::BadInput refusal(std::size_t bytes, const std::string& why) {
  return base::BadInput(base::text("cannot reserve ", bytes >> 20,
                                   " MiB of memory for the ranks of this node to share: ", why));
}

void set_size(const Descriptor& memory, std::size_t bytes, bool reserve) {
  const auto length = static_cast<off_t>(bytes);
  const int error = reserve ? ::posix_fallocate(memory.get(), 0, length)
                    : ::ftruncate(memory.get(), length) == 0 ? 0
                                                             : errno;
  if (error != 0) throw refusal(bytes, std::strerror(error));
}

Descriptor unnamed_memory(std::size_t bytes, bool reserve) {
  Descriptor memory(::memfd_create("vae_dist", MFD_CLOEXEC));
  if (memory.get() < 0)
    throw base::Failure(base::text("memfd_create failed: ", std::strerror(errno)));
  set_size(memory, bytes, reserve);
  return memory;
}

// Returns a file name that is unique, also among all containers.
fs::path name_in(const fs::path& folder) {
  std::random_device random;
  std::ostringstream name;
  name << "vae_dist." << ::getpid() << "." << std::hex << random() << random();
  return folder / name.str();
}

Descriptor named_memory(const fs::path& file, std::size_t bytes, bool reserve) {
  Descriptor memory(::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (memory.get() < 0)
    throw refusal(bytes, base::text(file.parent_path().string(), ": ", std::strerror(errno)));
  try {
    set_size(memory, bytes, reserve);
  } catch (...) {
    ::unlink(file.c_str());
    throw;
  }
  return memory;
}

// Opens the memory at the place that rank 0 names, on the other ranks. Returns whether all of them
// succeeded; if not, sets `why` to one of the reasons.
bool open_on_all(CpuCommunicator& node, const std::string& place, Descriptor& memory,
                 std::string& why) {
  std::string mine;
  if (node.rank() != 0) {
    memory = Descriptor(::open(place.c_str(), O_RDWR | O_CLOEXEC));
    if (memory.get() < 0)
      mine = base::text("cannot open ", place,
                        ", the memory of rank 0 of this node: ", std::strerror(errno));
  }
  for (const std::string& reason : all_gather_text(node, mine))
    if (!reason.empty()) return why = reason, false;
  return true;
}

struct Shared {
  Descriptor memory;         // on every rank of the node, or on none
  std::exception_ptr error;  // on rank 0, if there is not enough memory
  std::string why;           // reason why the memory is not shared
};

// Creates and shares the memory. A collective of the node, even if some rank fails.
Shared share(CpuCommunicator& node, std::size_t bytes, const SharingWays& ways) {
  Shared out;
  const bool first = node.rank() == 0;
  // `make` runs on rank 0 and returns the memory and the place where the other ranks find it.
  const auto attempt = [&](const auto& make) {
    std::string place;
    if (first) {
      try {
        std::tie(out.memory, place) = make();
        out.error = nullptr;
      } catch (const std::exception&) {
        out.error = std::current_exception();
      }
    }
    place = broadcast_text(node, place);
    const bool shared = !place.empty() && open_on_all(node, place, out.memory, out.why);
    if (!shared) out.memory = Descriptor();
    return std::pair(shared, place);
  };

  // Without this check the system would hand out pages until none are left.
  const std::uint64_t free = base::free_memory();
  const bool enough = broadcast_text(node, free == 0 || bytes <= free ? "enough" : "") == "enough";
  if (!enough) {
    if (first)
      out.error = std::make_exception_ptr(refusal(bytes, base::text(free >> 20, " MiB are free")));
    return out;
  }
  if (ways.descriptor) {
    const bool shared = attempt([&] {
                          Descriptor memory = unnamed_memory(bytes, ways.reserve);
                          std::string place =
                              base::text("/proc/", ::getpid(), "/fd/", memory.get());
                          return std::pair(std::move(memory), std::move(place));
                        }).first;
    if (shared) return out;
  }
  for (const fs::path& folder : ways.folders) {
    const auto [shared, place] = attempt([&] {
      const fs::path file = name_in(folder);
      return std::pair(named_memory(file, bytes, ways.reserve), file.string());
    });
    if (first && !place.empty()) ::unlink(place.c_str());
    if (shared) return out;
  }
  return out;
}

}  // namespace

SharingWays default_sharing_ways() {
  SharingWays ways;
  ways.folders.emplace_back("/dev/shm");
  std::error_code missing;
  const fs::path temporary = fs::temp_directory_path(missing);
  if (!missing) ways.folders.push_back(temporary);
  return ways;
}

bool can_share_memory(CpuCommunicator& node, std::size_t bytes, const SharingWays& ways) {
  const auto shares = [&](std::size_t probe_bytes, const SharingWays& by) {
    return broadcast_text(node, share(node, probe_bytes, by).memory.get() >= 0 ? "yes" : "no") ==
           "yes";
  };
  // Sharing through a descriptor is limited only by memory, so a small probe is enough. A directory
  // has a limit of its own, so the probe has the full size.
  constexpr std::size_t kProbeBytes = 4096;
  return (ways.descriptor && shares(kProbeBytes, {true, {}, ways.reserve})) ||
         shares(bytes, {false, ways.folders, ways.reserve});
}

NodeMemory::NodeMemory(CpuCommunicator& node, CpuCommunicator& all, std::size_t bytes,
                       const SharingWays& ways)
    : size_(bytes) {
  Shared shared = share(node, bytes, ways);
  agree(all, [&] {
    if (shared.error) std::rethrow_exception(shared.error);
    if (shared.memory.get() < 0 && !shared.why.empty())
      throw base::Failure(base::text("the ranks of this node cannot share memory: ", shared.why));
  });
  agree(all, [&] {
    // MAP_POPULATE: a page fault for every 4 KiB would cost more than decoding an image into the
    // memory.
    const int populate = ways.reserve ? MAP_POPULATE : 0;
    void* const mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | populate,
                                shared.memory.get(), 0);
    if (mapped == MAP_FAILED)
      throw base::Failure(
          base::text("cannot map ", bytes >> 20, " MiB of shared memory: ", std::strerror(errno)));
    data_ = static_cast<std::byte*>(mapped);
  });
}

NodeMemory::~NodeMemory() {
  if (data_) ::munmap(data_, size_);
}

}  // namespace vae_dist::comm
