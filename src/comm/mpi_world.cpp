#include "comm/mpi_world.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <limits>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/host_name.hpp"
#include "comm/mpi_call.hpp"

namespace vae_dist::comm {
namespace {

constexpr unsigned kTimeToAbort = 5;  // seconds

MPI_Datatype native(DataType type) {
  switch (type) {
    case DataType::uint8:
      return MPI_UINT8_T;
    case DataType::int64:
      return MPI_INT64_T;
    case DataType::bfloat16:
      return MPI_UINT16_T;
    case DataType::float32:
      return MPI_FLOAT;
    case DataType::float64:
      return MPI_DOUBLE;
  }
  return MPI_DATATYPE_NULL;
}

MPI_Datatype summable(DataType type) {
  if (type == DataType::bfloat16)
    throw std::invalid_argument(
        "MPI has no bfloat16 type, so it can send bfloat16 values but not sum them");
  return native(type);
}

// MPI-3 counts are int, so longer buffers are sent in pieces.
constexpr std::int64_t kLongest = std::int64_t{1} << 30;

template <typename Piece>
void in_pieces(Buffer buffer, Piece piece) {
  for (std::int64_t done = 0; done < buffer.count; done += kLongest) {
    auto* data = static_cast<std::byte*>(buffer.data) +
                 static_cast<std::size_t>(done) * size_of(buffer.type);
    piece(data, static_cast<int>(std::min(kLongest, buffer.count - done)));
  }
}

// Waits for all requests. Open MPI's blocking calls spin, but a waiting thread here shares its core
// with the backward pass of the same rank. It therefore polls and yields for a moment, then sleeps
// between polls, at first briefly. Within a node the poll itself copies the message: a poll that
// took long has moved data, and the other end is moving data too, so the moment of polling starts
// again.
void wait_without_spinning(std::vector<MPI_Request>& requests) {
  constexpr base::Seconds kSpinTime{200e-6}, kLongPoll{20e-6};
  constexpr std::chrono::microseconds kShortest{20}, kLongestSleep{200};
  std::chrono::microseconds sleep = kShortest;
  base::Stopwatch idle;
  while (true) {
    const base::Stopwatch look;
    int done = 0;
    check_mpi(
        MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE),
        "MPI_Testall");
    if (done) return;
    if (look.elapsed() > kLongPoll) idle.restart();
    if (idle.elapsed() < kSpinTime) {
      std::this_thread::yield();
      continue;
    }
    std::this_thread::sleep_for(sleep);
    sleep = std::min(2 * sleep, kLongestSleep);
  }
}

class PendingMpi final : public PendingCollective {
 public:
  explicit PendingMpi(MPI_Request request) : request_(request) {}
  void wait() override { check_mpi(MPI_Wait(&request_, MPI_STATUS_IGNORE), "MPI_Wait"); }

 private:
  MPI_Request request_;
};

class MpiCommunicator final : public CpuCommunicator {
 public:
  MpiCommunicator(MPI_Comm original, int rank, int size, bool on_one_node)
      : rank_(rank), size_(size), on_one_node_(on_one_node) {
    check_mpi(MPI_Comm_dup(original, &comm_), "MPI_Comm_dup");
    check_mpi(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  }
  // Freeing is a collective, which ranks that are failing do not reach.
  ~MpiCommunicator() override {
    if (std::uncaught_exceptions() == 0 && !aborted_) MPI_Comm_free(&comm_);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  const char* name() const override { return "mpi"; }

  void broadcast(Buffer buffer, int root) override {
    in_pieces(buffer, [&](void* data, int count) {
      check_mpi(MPI_Bcast(data, count, native(buffer.type), root, comm_), "MPI_Bcast");
    });
  }

  void all_reduce_sum(Buffer buffer) override {
    in_pieces(buffer, [&](void* data, int count) {
      check_mpi(MPI_Allreduce(MPI_IN_PLACE, data, count, summable(buffer.type), MPI_SUM, comm_),
                "MPI_Allreduce");
    });
  }

  void all_gather(Buffer in, Buffer out) override {
    if (in.count > std::numeric_limits<int>::max())
      throw base::Failure(
          base::text("an all-gather of ", in.count, " elements exceeds the largest count of MPI"));
    const auto count = static_cast<int>(in.count);
    check_mpi(
        MPI_Allgather(in.data, count, native(in.type), out.data, count, native(in.type), comm_),
        "MPI_Allgather");
  }

  void exchange(int peer, Buffer send, Buffer receive) override {
    // Buffers that exceed the largest MPI count are sent in pieces: all but the last have kLongest
    // elements on both sides.
    std::vector<MPI_Request> requests;
    in_pieces(receive, [&](void* data, int count) {
      check_mpi(
          MPI_Irecv(data, count, native(receive.type), peer, 0, comm_, &requests.emplace_back()),
          "MPI_Irecv");
    });
    in_pieces(send, [&](void* data, int count) {
      check_mpi(MPI_Isend(data, count, native(send.type), peer, 0, comm_, &requests.emplace_back()),
                "MPI_Isend");
    });
    wait_without_spinning(requests);
  }

  void barrier() override { check_mpi(MPI_Barrier(comm_), "MPI_Barrier"); }

  std::unique_ptr<PendingCollective> start_all_reduce_sum(Buffer buffer) override {
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Iallreduce(MPI_IN_PLACE, buffer.data, static_cast<int>(buffer.count),
                             summable(buffer.type), MPI_SUM, comm_, &request),
              "MPI_Iallreduce");
    return std::make_unique<PendingMpi>(request);
  }

  bool on_one_node() const override { return on_one_node_; }
  bool aborted() const override { return aborted_; }

  std::unique_ptr<CpuCommunicator> duplicate() override {
    return std::make_unique<MpiCommunicator>(comm_, rank_, size_, on_one_node_);
  }

  void abort() noexcept override { aborted_ = true; }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_, size_;
  const bool on_one_node_;
  std::atomic<bool> aborted_ = false;
};

// Each launcher sets one of these variables for its processes: Open MPI's mpirun, PMIx (srun
// --mpi=pmix), PMI (MPICH's and Intel's mpiexec, srun --mpi=pmi2), Cray's PALS.
bool started_by_launcher() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PALS_RANKID"})
    if (std::getenv(name)) return true;
  return false;
}

}  // namespace

MpiWorld::MpiWorld(int& argc, char**& argv) {
  host_ = base::host_name();
  // Otherwise several trainings would share one run directory, all on GPU 0.
  const char* const tasks = std::getenv("SLURM_STEP_NUM_TASKS");
  const bool one_of_many = tasks && std::atoi(tasks) > 1;
  const char* const kAlone =
      "srun started several tasks that cannot see each other: use srun --mpi=pmix (MPICH: srun "
      "--mpi=pmi2, Cray: srun --mpi=cray_shasta), or mpirun";
  if (!started_by_launcher()) {
    if (one_of_many) throw base::BadInput(kAlone);
    return;
  }

  int provided = 0;
  check_mpi(MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
  started_ = true;
  check_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
  if (size_ == 1 && one_of_many && !std::getenv("OMPI_COMM_WORLD_SIZE"))
    throw base::BadInput(kAlone);
  if (provided < MPI_THREAD_MULTIPLE)
    throw base::Failure(
        "this MPI library does not support MPI_THREAD_MULTIPLE, which is needed because a separate "
        "thread exchanges the gradients");

  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node),
            "MPI_Comm_split_type");
  MPI_Comm_rank(node, &local_rank_);
  MPI_Comm_size(node, &local_size_);
  MPI_Comm_free(&node);
}

MpiWorld::~MpiWorld() {
  if (started_ && std::uncaught_exceptions() == 0) MPI_Finalize();
}

std::unique_ptr<CpuCommunicator> MpiWorld::make_communicator() const {
  if (!started_) return make_self_communicator();
  return std::make_unique<MpiCommunicator>(MPI_COMM_WORLD, rank_, size_, local_size_ == size_);
}

std::unique_ptr<CpuCommunicator> MpiWorld::make_node_communicator() const {
  if (!started_) return make_self_communicator();
  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node),
            "MPI_Comm_split_type");
  auto communicator = std::make_unique<MpiCommunicator>(node, local_rank_, local_size_, true);
  MPI_Comm_free(&node);
  return communicator;
}

std::unique_ptr<CpuCommunicator> MpiWorld::make_communicator_of_first(int ranks) const {
  if (!started_) return make_self_communicator();
  MPI_Comm first = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(MPI_COMM_WORLD, rank_ < ranks ? 0 : MPI_UNDEFINED, rank_, &first),
            "MPI_Comm_split");
  if (rank_ >= ranks) return nullptr;
  auto communicator = std::make_unique<MpiCommunicator>(first, rank_, ranks, local_size_ == size_);
  MPI_Comm_free(&first);
  return communicator;
}

void MpiWorld::abort(base::ExitCode code) const noexcept {
  // MPI_Abort ends this process. If it blocks instead, the alarm does. A thread would do as well,
  // but a process that is out of memory cannot start one.
  if (started_) {
    static std::atomic<int> exit_code;
    exit_code = static_cast<int>(code);
    std::signal(SIGALRM, [](int) { ::_exit(exit_code); });
    ::alarm(kTimeToAbort);
    MPI_Abort(MPI_COMM_WORLD, static_cast<int>(code));
  }
  ::_exit(static_cast<int>(code));
}

}  // namespace vae_dist::comm
