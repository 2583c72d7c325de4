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

#include "base/durable_file.hpp"
#include "base/utf8.hpp"
#include "launcher/verbs.hpp"

namespace vae_dist::launcher {
namespace {

namespace fs = std::filesystem;

struct MonitorOptions {
  std::string config;
  std::vector<std::string> runs;  // empty: `runs` in the current directory
  std::string data = "prometheus_data";
  int port = 9090;
};

std::atomic<pid_t> server{0};

// Ctrl-C reaches only this process, because the server has its own process group. Forwarding
// SIGTERM lets the server shut down cleanly.
void end_server(int) {
  if (const pid_t child = server.load(); child > 0) ::kill(child, SIGTERM);
}

// Returns the folder of the shipped configuration: configs/monitoring of the checkout (found from
// its root or from the program in its build folder), or that of an installed program.
fs::path shipped_folder() {
  const fs::path monitoring = fs::path("configs") / "monitoring";
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& folder :
       {fs::path("."), program.parent_path(), program.parent_path() / "share" / "vae_dist"})
    if (fs::exists(folder / monitoring / "prometheus.yml"))
      return fs::absolute(folder / monitoring).lexically_normal();
  throw base::BadInput(
      "there is no configs/monitoring/prometheus.yml here. Name a Prometheus configuration with "
      "--config");
}

// Quotes a path with single quotes for YAML, in which only the quote itself is special.
std::string quoted(const fs::path& path) {
  std::string out = "'";
  for (const char c : path.string()) out += c == '\'' ? std::string("''") : std::string(1, c);
  return out + "'";
}

// Prometheus expands a pattern only in the last part of a path, so the folder itself must contain
// no pattern characters.
std::string files_of_runs(const fs::path& folder) {
  const std::string path = folder.string();
  if (path.find_first_of("*?[\\\n") != std::string::npos || base::utf8_text(path) != path)
    throw base::BadInput(
        base::text("Prometheus cannot watch ", base::utf8_text(path),
                   ": it treats *, ?, [ and \\ in a path as a pattern, and accepts only UTF-8. "
                   "Create a symbolic link to the folder (ln -s) and pass that with --runs."));
  return quoted(folder / "*.prometheus.json");
}

// Returns the shipped configuration with the given run folders, and with absolute paths for all
// other files.
std::string adapted_config(const fs::path& shipped, const std::vector<fs::path>& runs) {
  const std::string watched = "- ../../runs/*.prometheus.json", rules = "- rules.yml";
  std::string config = base::read_file(shipped / "prometheus.yml");
  const std::size_t at = config.find(watched);
  if (at == std::string::npos || config.find(rules) == std::string::npos)
    throw base::BadInput(base::text((shipped / "prometheus.yml").string(),
                                    " does not hold the lines \"", watched, "\" and \"", rules,
                                    "\" any more. Pass it with --config to use it unchanged"));
  const std::string indent(at - config.rfind('\n', at) - 1, ' ');
  std::string lines;
  for (const fs::path& folder : runs)
    lines += (lines.empty() ? "" : "\n" + indent) + "- " + files_of_runs(folder);
  config.replace(at, watched.size(), lines);
  return config.replace(config.find(rules), rules.size(), "- " + quoted(shipped / "rules.yml"));
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
  const int failed =
      ::posix_spawnp(&child, words[0].c_str(), &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0)
    throw base::BadInput(base::text("cannot start ", words[0], ": ", std::strerror(failed),
                                    ". Install the package prometheus of Debian or Ubuntu, or put "
                                    "the program from prometheus.io on the PATH"));
  return child;
}

// Prometheus also starts if a folder is missing, and finds the first run once it appears.
std::string shown(const std::vector<fs::path>& runs) {
  std::string out;
  for (const fs::path& folder : runs)
    out += base::text(out.empty() ? "" : ", ", folder.string(),
                      fs::is_directory(folder) ? "" : " (does not exist yet)");
  return out;
}

void monitor(const MonitorOptions& options) {
  if (!options.config.empty() && !options.runs.empty())
    throw base::BadInput(
        "--config already says where the runs are. Give either --config or --runs, not both");
  fs::path config = options.config, shipped;
  std::vector<fs::path> runs;
  if (!options.config.empty()) {
    if (!fs::exists(config)) throw base::BadInput(base::text("there is no file ", config.string()));
    shipped = fs::absolute(config).parent_path();
  } else {
    shipped = shipped_folder();
    for (const std::string& folder :
         options.runs.empty() ? std::vector<std::string>{"runs"} : options.runs)
      runs.push_back(fs::absolute(folder).lexically_normal());
    const std::string adapted = adapted_config(shipped, runs);
    std::error_code error;
    fs::create_directories(options.data, error);
    if (error)
      throw base::BadInput(base::text("cannot create the folder ", options.data, ": ",
                                      error.message(), ". Choose another with --data"));
    config = fs::path(options.data) / "prometheus.yml";
    base::replace_file(config, adapted);
  }
  struct sigaction action{};
  action.sa_handler = end_server;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);

  const std::string address = base::text("localhost:", options.port);
  // The files of the folder are served under /user, because the alerts link to its runbooks.html.
  server = start({"prometheus", "--config.file=" + config.string(),
                  "--storage.tsdb.path=" + options.data, "--web.listen-address=" + address,
                  "--web.external-url=http://" + address, "--web.user-assets=" + shipped.string(),
                  "--log.level=warn"});
  std::cout << "Prometheus   http://" << address << "\n  targets    http://" << address
            << "/targets (the ranks of the current runs)\n  alerts     http://" << address
            << "/alerts\n  it reads   " << config.string() << "\n";
  if (!runs.empty()) std::cout << "  runs in    " << shown(runs) << "\n";
  std::cout << "  it keeps   " << options.data << "\nGrafana: its data source is http://" << address
            << ", the dashboard " << (shipped / "grafana" / "dashboards" / "vae_dist.json").string()
            << "\nCtrl-C ends it." << std::endl;

  int status = 0;
  while (::waitpid(server, &status, 0) < 0 && errno == EINTR) {
  }
  server = 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  throw base::BadInput(
      base::text("prometheus ended with ",
                 WIFEXITED(status) ? base::text("exit code ", WEXITSTATUS(status))
                                   : base::text("signal ", WTERMSIG(status)),
                 "; its output is above. If the port is in use, choose another with --port"));
}

}  // namespace

void add_monitor_verb(CLI::App& app, VerbContext& context) {
  auto options = std::make_shared<MonitorOptions>();
  CLI::App* verb = app.add_subcommand(
      "monitor", "Run the installed Prometheus with our configuration until Ctrl-C");
  verb->add_option("--config", options->config,
                   "Prometheus configuration, used unchanged (default: "
                   "configs/monitoring/prometheus.yml with the folders of --runs)")
      ->type_name(completion::kFile);
  verb->add_option("--runs", options->runs,
                   "Folder of runs, or folder named by metrics.service_discovery; several may be "
                   "given (default: runs)")
      ->type_name(completion::kFolder);
  verb->add_option("--data", options->data, "Folder in which Prometheus stores its series")
      ->type_name(completion::kFolder)
      ->capture_default_str();
  verb->add_option("--port", options->port, "Port that Prometheus serves on")
      ->capture_default_str()
      ->check(CLI::Range(1, 65535));
  verb->footer(
      "Example:\n  vae_dist monitor --port 9091\n  vae_dist monitor --runs /shared/anna/runs "
      "/shared/ben/runs");
  verb->callback([&context, options] {
    context.chosen = on_one_rank(context, [options] { monitor(*options); });
  });
}

}  // namespace vae_dist::launcher
