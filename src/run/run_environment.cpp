#include "run/run_environment.hpp"

#include <ATen/Version.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/durable_file.hpp"
#include "base/text.hpp"
#include "base/utc_text.hpp"
#include "base/utf8.hpp"
#include "comm/nccl_communicator.hpp"
#include "device/gpu_facts.hpp"
#include "run/choose_device.hpp"
#include "run/version.hpp"

namespace vae_dist::run {

namespace {

std::int64_t restarts_in(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return 0;
  const auto object =
      nlohmann::json::parse(base::read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return 0;
  const auto found = object.find("restarts");
  return found != object.end() && found->is_number_integer()
             ? std::max<std::int64_t>(0, found->get<std::int64_t>())
             : 0;
}

}  // namespace

std::string hosts_text(const std::vector<std::string>& host_of_rank) {
  std::vector<std::pair<std::string, int>> hosts;
  for (const std::string& name : host_of_rank) {
    const auto found = std::find_if(hosts.begin(), hosts.end(),
                                    [&](const auto& host) { return host.first == name; });
    if (found == hosts.end()) {
      hosts.emplace_back(name, 1);
    } else {
      ++found->second;
    }
  }
  std::string out;
  for (const auto& [name, ranks] : hosts)
    out +=
        base::text(out.empty() ? "" : ", ", name, " (", ranks, ranks == 1 ? " rank)" : " ranks)");
  return out;
}

RunEnvironment run_environment(const ProgramBuild& program, const device::DeviceChoice& device,
                               const std::string& host_name, bool goes_on,
                               const std::filesystem::path& file,
                               comm::CpuCommunicator& all_ranks) {
  RunEnvironment out;
  out.program = program;
  out.torch = TORCH_VERSION;
  if (device.device.is_cuda()) out.nccl = comm::nccl_version();
  out.hosts = hosts_text(comm::all_gather_text(all_ranks, host_name));
  out.device = describe_device(device);
  if (all_ranks.rank() == 0 && goes_on) out.restarts = restarts_in(file) + 1;
  all_ranks.broadcast({&out.restarts, 1, comm::DataType::int64}, 0);
  return out;
}

void write_environment(const std::filesystem::path& file, const RunEnvironment& environment,
                       int ranks) {
  nlohmann::ordered_json object = {{"vae_dist", kVersion}};
  if (!environment.program.id.empty()) object["build"] = environment.program.id;
  if (!environment.program.revision.empty()) object["git revision"] = environment.program.revision;
  object["torch"] = environment.torch;
  if (!environment.nccl.empty()) object["NCCL"] = environment.nccl;
  object["ranks"] = ranks;
  object["hosts"] = environment.hosts;
  object["device of rank 0"] = environment.device;
  object["last started"] = base::utc_now("%Y-%m-%d %H:%M:%S UTC");
  object["restarts"] = environment.restarts;
  object["steps planned"] = environment.steps_planned;
  base::replace_file(file, base::json_text(object, 2) + "\n");
}

std::string environment_text(const std::string& build_id, const device::DeviceChoice& device) {
  std::string common =
      base::text("vae_dist ", kVersion, " (build ", build_id, "), torch ", TORCH_VERSION);
  if (!device.device.is_cuda()) return common;
  return base::text(common, ", NCCL ", comm::nccl_version(), ", ",
                    device::gpu_environment_text(device.device));
}

std::string arithmetic_text(const device::DeviceChoice& device, config::Precision precision) {
  if (device.device.is_cuda()) return device::gpu_environment_text(device.device);
  return base::text("CPU ", at::get_cpu_capability(), ", ", device.threads,
                    device.threads == 1 ? " thread" : " threads",
                    rounds_bfloat16(device.device, precision) ? ", bf16 in fp32" : "");
}

}  // namespace vae_dist::run
