// The first program to start on a GPU that has not run vae_dist before: mpirun -np 2 smoke. The
// ranks share one GPU if there is only one. Each stage uses one thing more than the stage before
// it, and every rank says what it is about to do before it does it, so the last line of a rank
// names what hangs. Rank 0 ends with a JSON object of the seconds that its stages took. Without a
// GPU the program reports that and returns 77.
#include <ATen/ATen.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "comm/collective_log.hpp"
#include "comm/nccl_communicator.hpp"
#include "device/queue_copy.hpp"
#include "device/synchronize.hpp"
#include "device/work_recorder.hpp"
#include "parallel/bucket_exchange.hpp"
#include "shared_gpu.hpp"

namespace {

using namespace vae_dist;

constexpr std::int64_t kValues = 1'000'003;  // some MB: a copy of several pages, no round number
// A rank that nobody meets gives up and says so before the caller's limit for the whole program.
const comm::NcclDeadlines kDeadlines{base::Seconds(20), base::Seconds(20)};

void require(bool holds, const char* what) {
  if (!holds) throw base::Failure(std::string("wrong result: ") + what);
}

class Stages {
 public:
  template <typename Stage>
  void run(const char* name, Stage stage) {
    say(base::text("about to ", name));
    const base::Stopwatch watch;
    stage();
    const double seconds = watch.elapsed().count();
    figures_ += base::text(figures_.empty() ? "" : ", ", '"', name, "\": ", seconds);
    say(base::text("done after ", seconds, " s"));
  }

  void say(const std::string& what) const {
    std::printf("rank %s: %s\n", rank_, what.c_str());
    std::fflush(stdout);
  }

  std::string figures() const { return "{" + figures_ + "}"; }

 private:
  static const char* rank_of_this_process() {
    const char* const rank = std::getenv("OMPI_COMM_WORLD_RANK");
    return rank ? rank : "0";
  }

  const char* const rank_ = rank_of_this_process();  // also before MPI has started
  std::string figures_;
};

void check(const comm::MpiWorld& world, Stages& stages) {
  const auto host = world.make_communicator();
  device::DeviceChoice device;
  stages.run("choose the GPU and a stream that is not the default one", [&] {
    device = take_shared_gpu(world);
    const c10::impl::VirtualGuardImpl cuda(c10::kCUDA);
    require(cuda.getStream(device.device) != cuda.getDefaultStream(device.device),
            "the current stream is the default one");
  });

  const auto mine = static_cast<float>(world.rank() + 1);
  const auto sum = static_cast<float>(world.size() * (world.size() + 1) / 2);
  at::Tensor values;
  const auto require_all = [&](float expected, const char* what) {
    device::synchronize(device.device);
    require(values.eq(expected).all().item<bool>(), what);
  };
  stages.run("run a kernel on that stream", [&] {
    values = at::full({kValues}, mine, at::TensorOptions(device.device).dtype(at::kFloat));
    values.mul_(2);
    require_all(2 * mine, "twice the rank's number");
  });

  stages.run("copy pinned memory to the GPU on a stream of its own", [&] {
    const auto memory = device::pinned_memory(kValues * sizeof(float), device.device);
    at::Tensor pinned = at::from_blob(memory.get(), {kValues}, at::kFloat);
    require(pinned.is_pinned(), "the memory is not pinned");
    pinned.copy_(at::arange(kValues, at::kFloat));
    const at::Tensor copy = device::queue_copy(pinned, device.device);
    require(copy.cpu().equal(pinned), "the copy differs");
  });

  const auto recorder = device::make_graph_recorder(device.device);
  std::unique_ptr<device::RecordedWork> adding;
  stages.run("capture a kernel in a CUDA graph and launch it", [&] {
    adding = recorder->record([&] { values.add_(1); });
    values.fill_(mine);
    for (int i = 0; i < 3; ++i) adding->launch();
    require_all(mine + 3, "three launches of a captured addition");
  });

  const c10::Stream stream = communication_stream(device);
  std::unique_ptr<comm::NcclCommunicator> comm;
  stages.run("connect the ranks by NCCL", [&] {
    comm = comm::make_nccl_communicator(*host, native_stream(stream), kDeadlines,
                                        comm::NcclCalls::polled);
  });

  comm::CollectiveLog log;
  const auto exchange =
      parallel::make_device_exchange(*comm, comm::SumOrder::fast, stream, {log, "smoke"});
  const auto sum_over_ranks = [&] {
    exchange->start(values, comm::Wire::exact, "values");
    exchange->finish();
  };
  stages.run("sum over the ranks by NCCL", [&] {
    values.fill_(mine);
    sum_over_ranks();
    require_all(sum, "the sum over the ranks");
  });

  std::unique_ptr<device::RecordedWork> summing;
  stages.run("capture that sum in a CUDA graph",
             [&] { summing = recorder->record(sum_over_ranks); });
  stages.run("launch the captured sum", [&] {
    for (int i = 0; i < 3; ++i) {
      values.fill_(mine);
      summing->launch();
      require_all(sum, "the captured sum over the ranks");
    }
  });

  stages.run("destroy the graphs, then the NCCL communicator", [&] {
    summing.reset();
    adding.reset();
    comm.reset();
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (lacks_a_gpu("smoke")) return kNotRun;
  Stages stages;
  std::optional<comm::MpiWorld> world;
  try {
    stages.run("start MPI", [&] { world.emplace(argc, argv); });
    check(*world, stages);
  } catch (const std::exception& error) {
    stages.say(base::text("failed: ", error.what()));
    if (!world) return static_cast<int>(base::exit_code(error));
    world->abort(base::exit_code(error));
  }
  const bool tells = world->rank() == 0;
  stages.run("end MPI", [&] { world.reset(); });
  if (tells) std::printf("%s\n", stages.figures().c_str());
}
