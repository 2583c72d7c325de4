#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>
#include <vector>

#include "launcher/verbs.hpp"

extern char** environ;

namespace vae_dist {
namespace {

struct MonitorOptions {
  std::string config;
  std::string data = "prometheus_data";
  int port = 9090;
};

std::atomic<pid_t> server{0};

// Ctrl-C reaches this process alone: the server has a group of its own, and ends in good order.
void end_server(int) {
  if (const pid_t child = server.load(); child > 0) ::kill(child, SIGTERM);
}

// The checkout's, from its root or from wherever its build folder's program is called; an installed program's own.
std::filesystem::path shipped_config() {
  const std::filesystem::path file = std::filesystem::path("configs") / "monitoring" / "prometheus.yml";
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (const std::filesystem::path& folder : {std::filesystem::path("."), program.parent_path(), program.parent_path() / "share" / "vae_dist"})
    if (std::filesystem::exists(folder / file)) return (folder / file).lexically_normal();
  throw BadInput("there is no configs/monitoring/prometheus.yml here: name a Prometheus configuration with --config");
}

pid_t start(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, words[0].c_str(), &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) throw BadInput(text("cannot start ", words[0], ": ", std::strerror(failed), ". It is Debian's and Ubuntu's package prometheus; or put the program of prometheus.io on the PATH"));
  return child;
}

void monitor(const MonitorOptions& options) {
  const std::filesystem::path config = options.config.empty() ? shipped_config() : std::filesystem::path(options.config);
  if (!std::filesystem::exists(config)) throw BadInput(text("there is no file ", config.string()));
  struct sigaction action {};
  action.sa_handler = end_server;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);

  const std::string address = text("localhost:", options.port);
  server = start({"prometheus", "--config.file=" + config.string(), "--storage.tsdb.path=" + options.data, "--web.listen-address=" + address, "--log.level=warn"});
  std::cout << "Prometheus   http://" << address << "\n  targets    http://" << address << "/targets (the ranks of runs that go on)\n  alerts     http://" << address
            << "/alerts\n  it reads   " << config.string() << "\n  it keeps   " << options.data << "\nGrafana: its data source is http://" << address << ", the dashboard "
            << (config.parent_path() / "grafana" / "dashboards" / "vae_dist.json").string() << "\nCtrl-C ends it." << std::endl;

  int status = 0;
  while (::waitpid(server, &status, 0) < 0 && errno == EINTR) {
  }
  server = 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  throw BadInput(text("prometheus ended with ", WIFEXITED(status) ? text("exit code ", WEXITSTATUS(status)) : text("signal ", WTERMSIG(status)),
                      "; what it said is above. A port that is taken: choose another with --port"));
}

}  // namespace

void add_monitor_verb(CLI::App& app, VerbContext& context) {
  auto options = std::make_shared<MonitorOptions>();
  CLI::App* verb = app.add_subcommand("monitor", "Start the system's prometheus with our configuration, until Ctrl-C");
  verb->add_option("--config", options->config, "Prometheus configuration (default: configs/monitoring/prometheus.yml of this checkout, which finds the runs in `runs`)");
  verb->add_option("--data", options->data, "Folder in which Prometheus keeps its series")->capture_default_str();
  verb->add_option("--port", options->port, "Port it serves on")->capture_default_str()->check(CLI::Range(1, 65535));
  verb->footer("Example:\n  vae_dist monitor --port 9091");
  verb->callback([&context, options] { context.chosen = on_one_rank(context, [options] { monitor(*options); }); });
}

}  // namespace vae_dist
