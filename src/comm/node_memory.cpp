#include "comm/node_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.hpp"
#include "base/free_memory.hpp"
#include "comm/agreement.hpp"

namespace vae_dist {
namespace {

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

Descriptor reserve(std::size_t bytes) {
  const auto refusal = [&](const std::string& why) { return BadInput(text("cannot reserve ", bytes >> 20, " MiB of memory for the ranks of this node to share: ", why)); };
  // Nothing else stops the system from giving out pages until it has none left.
  const std::uint64_t free = free_memory();
  if (free > 0 && bytes > free) throw refusal(text(free >> 20, " MiB are free"));
  Descriptor memory(::memfd_create("vae_dist", MFD_CLOEXEC));
  if (memory.get() < 0) throw Failure(text("memfd_create failed: ", std::strerror(errno)));
  const int error = ::posix_fallocate(memory.get(), 0, static_cast<off_t>(bytes));
  if (error != 0) throw refusal(std::strerror(error));
  return memory;
}

}  // namespace

NodeMemory::NodeMemory(Communicator& node, Communicator& all, std::size_t bytes) : size_(bytes) {
  Descriptor memory;
  agree(all, [&] {
    if (node.rank() == 0) memory = reserve(bytes);
  });
  const std::string place = broadcast_text(node, node.rank() == 0 ? text("/proc/", ::getpid(), "/fd/", memory.get()) : "");
  agree(all, [&] {
    if (node.rank() != 0) memory = Descriptor(::open(place.c_str(), O_RDWR | O_CLOEXEC));
    if (memory.get() < 0) throw Failure(text("cannot open ", place, ", the memory of rank 0 of this node: ", std::strerror(errno)));
    // Mapped at once: a page fault for every 4 KiB would cost more than decoding an image into it.
    void* const mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory.get(), 0);
    if (mapped == MAP_FAILED) throw Failure(text("cannot map ", bytes >> 20, " MiB of shared memory: ", std::strerror(errno)));
    data_ = static_cast<std::byte*>(mapped);
  });
}

NodeMemory::~NodeMemory() {
  if (data_) ::munmap(data_, size_);
}

}  // namespace vae_dist
