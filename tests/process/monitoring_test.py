"""A real Prometheus discovers a run, scrapes its ranks, and answers every query of the dashboard."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import unittest
import urllib.error
import urllib.parse
import urllib.request

import h5py

from deadline import HANGS_S
from ports import free_port
from runs import BINARY, PROMETHEUS, SMALL, SOURCE, RunFolder, end_process

MONITORING = SOURCE / "configs" / "monitoring"
DASHBOARD = MONITORING / "grafana" / "dashboards" / "vae_dist.json"
PROMTOOL = pathlib.Path(PROMETHEUS).parent / "promtool"
RANKS = 4
# A run on the CPU with an encoder, the usual bound and a fixed sigma does not serve these.
# Nor can meters of energy be read everywhere.
MAY_BE_EMPTY = "vae_dist_gpu_|joules_total|vae_dist_log_p_nats|vae_dist_effective_samples|vae_dist_squared_error|vae_dist_regulariser|vae_dist_loss_term|vae_dist_code"
STOPPED = 75


def get(url):
    with urllib.request.urlopen(url, timeout=HANGS_S) as response:
        return response.read().decode()


class Monitoring(RunFolder):
    @classmethod
    def setUpClass(cls):
        if not PROMETHEUS:
            raise AssertionError("these tests need a prometheus server: launcher/test.sh fetches one, or set VAE_DIST_PROMETHEUS to the program")
        super().setUpClass()
        cls.program("data", "make-shapes", "validation.h5", "--count", "32", "--size", "16", "--channels", "1", "--seed", "1", check=True)

    def stop(self, process):
        """Terminates a process at the end of its test if it still runs."""
        end_process(process)
        if process.stdout:
            process.stdout.close()

    def start_run(self, name, *overrides, np=RANKS, discovery=None):
        """Starts ranks that train until they are stopped, with everything that the dashboard shows: validation, checkpoints, exchange."""
        run = self.start("--config", "run.yaml", f"run.name={name}", *SMALL, "train.epochs=1000000", "log.every_steps=100000",
                         "metrics.port=0", "data.validation.file=validation.h5", "data.validation.dataset=imgs",
                         "evaluate.every_epochs=5", "checkpoint.every_steps=100", "checkpoint.keep_best=0", *overrides, np=np)
        self.addCleanup(self.stop, run)
        discovery = self.folder / "runs" / (discovery or f"{name}.prometheus.json")
        self.wait_until(lambda: discovery.exists() or run.poll() is not None, HANGS_S, "the run's file for Prometheus")
        if run.poll() is not None:
            self.fail(f"the run ended with {run.returncode}:\n{run.stdout.read()}")
        return run, discovery

    def start_prometheus(self):
        """Starts a server with the shipped configuration, but scraping this test's runs every second. Returns its address."""
        shipped = (MONITORING / "prometheus.yml").read_text()
        self.assertIn("../../runs/*.prometheus.json", shipped)
        faster, intervals = re.subn(r"(?m)^(\s*(?:scrape|evaluation|refresh)_interval: )\w+", r"\g<1>1s", shipped)
        self.assertEqual(intervals, 3)
        checkout = self.folder / "checkout"
        adapted = checkout / "configs" / "monitoring" / "prometheus.yml"
        adapted.parent.mkdir(parents=True)
        (checkout / "runs").symlink_to(self.folder / "runs")
        adapted.write_text(faster)
        (adapted.parent / "rules.yml").write_text((MONITORING / "rules.yml").read_text())
        port = free_port()
        output = open(self.folder / "prometheus.log", "w")
        self.addCleanup(output.close)
        server = subprocess.Popen([PROMETHEUS, f"--config.file={adapted}", f"--storage.tsdb.path={self.folder / 'prometheus'}",
                                   f"--web.listen-address=127.0.0.1:{port}"], stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.addCleanup(self.stop, server)
        address = f"http://127.0.0.1:{port}"

        def is_ready():
            if server.poll() is not None:
                self.fail(f"prometheus ended with {server.returncode}:\n{(self.folder / 'prometheus.log').read_text()}")
            try:
                return bool(get(f"{address}/-/ready"))
            except (urllib.error.URLError, ConnectionError):
                return False
        self.wait_until(is_ready, HANGS_S, "prometheus being ready")
        return address

    def targets(self, prometheus):
        """(rank, run, health) of every target."""
        active = json.loads(get(f"{prometheus}/api/v1/targets?state=active"))["data"]["activeTargets"]
        return sorted((target["discoveredLabels"]["__meta_vae_dist_rank"], target["discoveredLabels"]["__meta_vae_dist_run"], target["health"])
                      for target in active)

    def values(self, prometheus, expression):
        """{rank (None without one): value} of the series that match."""
        answer = json.loads(get(f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"))
        return {series["metric"].get("rank"): float(series["value"][1]) for series in answer["data"]["result"]}

    def values_of_all_ranks(self, prometheus, expression):
        found = {}

        def are_there():
            found.clear()
            found.update(self.values(prometheus, expression))
            return sorted(found) == [str(rank) for rank in range(RANKS)]
        self.wait_until(are_there, HANGS_S, f"an answer of every rank to {expression}")
        return found

    def test_a_real_prometheus_answers_every_question_of_the_dashboard(self):
        prometheus = self.start_prometheus()
        # Stop the run once, so that there is a restart to show.
        warming_up = ["objective.beta.schedule=linear", "objective.beta.steps=1000000"]  # so that there is a loss at the final weights
        self.train("watched", *SMALL, "train.steps=12", "data.validation.file=validation.h5", "data.validation.dataset=imgs", *warming_up, np=RANKS)
        run, discovery = self.start_run("watched", *warming_up)
        all_up = [(str(rank), "watched", "up") for rank in range(RANKS)]
        self.wait_until(lambda: self.targets(prometheus) == all_up, HANGS_S, "all ranks being up")

        asked = subprocess.run([sys.executable, SOURCE / "tests" / "metrics" / "dashboard_queries.py", "--prometheus", prometheus,
                                "--dashboard", DASHBOARD, "--wait", str(HANGS_S), "--may-be-empty", MAY_BE_EMPTY], text=True, capture_output=True, timeout=2 * HANGS_S)
        self.assertEqual(asked.returncode, 0, asked.stdout + asked.stderr)
        answered, questions = map(int, re.search(r"(\d+) of (\d+) questions answered", asked.stdout).groups())
        self.assertEqual(answered, questions)
        self.assertGreater(questions, 60)
        for address in self.addresses(discovery):
            self.assertRegex(address, r"^127\.0\.0\.1:", "on one machine outside of Slurm nobody else can ask")
            self.assert_promtool_likes(get(f"http://{address}/metrics"))

        # The answers belong to this run. A single scrape of a busy machine may take longer than its interval here, and then there is none for a moment.
        ranks = [str(rank) for rank in range(RANKS)]
        for expression, expected in (("vae_dist_ranks", {None: RANKS}), ("vae_dist_restarts_total", dict.fromkeys(ranks, 1)), ("vae_dist_global_batch_samples", {None: 16}),
                                     ("vae_dist_kld_weight", {None: 0.00025 * 16 / 64}), ("vae_dist_skipped_steps_total", dict.fromkeys(ranks, 0))):
            self.wait_until(lambda asked=f'{expression}{{run="watched"}}', expected=expected: self.values(prometheus, asked) == expected, HANGS_S, f"{expression} being {expected}")
        samples_a_step = self.values_of_all_ranks(prometheus, 'vae_dist_samples_total{run="watched"} / vae_dist_steps_total')
        for of_rank in samples_a_step.values():
            self.assertAlmostEqual(of_rank, 16 / RANKS, delta=0.5)  # a scrape may fall between the two counters

        # The images are in memory. The ranks read them once, together, and nothing is read any more.
        read = self.values_of_all_ranks(prometheus, 'vae_dist_read_bytes_total{run="watched"}')
        with h5py.File(self.folder / "shapes.h5") as file:
            self.assertGreaterEqual(sum(read.values()), file["imgs"].id.get_storage_size())
        self.assertEqual(self.values_of_all_ranks(prometheus, 'vae_dist_read_bytes_total{run="watched"}'), read)

        # mpirun forwards the signal to the ranks: checkpoint, exit code 75, and the run is no longer a target.
        self.assertIsNone(run.poll(), "the run ended by itself")
        run.send_signal(signal.SIGUSR1)
        said, _ = run.communicate(timeout=HANGS_S)
        self.assertEqual(run.returncode, STOPPED, said)
        self.assertIn("stopped on request", said)
        self.assertIn("127.0.0.1, any free ports: reachable only from this machine (metrics.address)", said)
        self.assertFalse(discovery.exists())
        self.assertTrue(self.checkpoint("watched").exists())
        self.wait_until(lambda: self.targets(prometheus) == [], HANGS_S, "prometheus forgetting the run")
        self.wait_until(lambda: self.values(prometheus, 'vae_dist_steps_total{run="watched"}') == {}, HANGS_S, "the series of the finished run being stale")

    def addresses(self, discovery):
        return [target for group in json.loads(discovery.read_text()) for target in group["targets"]]

    def assert_promtool_likes(self, exposition):
        """Checks only our own series; the HTTP server's belong to the library."""
        ours = "".join(line + "\n" for line in exposition.splitlines() if "vae_dist_" in line)
        checked = subprocess.run([PROMTOOL, "check", "metrics"], input=ours, text=True, capture_output=True, timeout=HANGS_S)
        # Bits per dimension are not an amount of memory.
        said = [line for line in (checked.stdout + checked.stderr).splitlines() if line != 'vae_dist_bits_per_dim use base unit "bytes" instead of "bits"']
        self.assertEqual(said, [])

    @staticmethod
    def series(exposition):
        """{name and labels: value} of our series."""
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in exposition.splitlines() if line.startswith("vae_dist_")}

    def test_the_files_for_node_exporter_hold_what_the_ranks_serve(self):
        collector = self.folder / "collector"
        collector.mkdir()
        run, discovery = self.start_run("filed", f"metrics.textfile={collector}", np=2)
        (user,) = {path.name.split("-")[1] for path in collector.iterdir()}
        files = [collector / f"vae_dist-{user}-filed-rank{rank}.prom" for rank in range(2)]
        # The first evaluation and the first checkpoint complete the list of series.
        complete = ("vae_dist_validation_loss{", "vae_dist_checkpoint_timestamp_seconds{")
        self.wait_until(lambda: all(name in files[0].read_text() for name in complete), HANGS_S, "the file with all series")
        for rank, (file, address) in enumerate(zip(files, self.addresses(discovery))):
            before = file.read_text()
            served = self.series(get(f"http://{address}/metrics"))
            self.assert_promtool_likes(before)
            kept = self.series(before)
            self.assertEqual(kept.keys(), served.keys())
            for name, value in kept.items():
                self.assertIn(f'user="{user}"', name)
                if re.match(r"vae_dist_\w+_(total|bucket|count|sum)\{", name) or name.startswith("vae_dist_step{"):
                    self.assertLessEqual(value, served[name], name)
                elif re.match(r"vae_dist_(steps_planned|global_batch_samples|ranks|replicas|kld_weight|start_timestamp_seconds|run_info|build_info)\{", name):
                    self.assertEqual(value, served[name], name)
            self.assertEqual({name for name in kept if "rank=" in name and f'rank="{rank}"' not in name}, set())
        self.assertIsNone(run.poll(), "the run ended by itself")
        run.send_signal(signal.SIGUSR1)
        said, _ = run.communicate(timeout=HANGS_S)
        self.assertEqual(run.returncode, STOPPED, said)
        self.assertEqual(list(collector.iterdir()), [])

    def test_no_file_for_node_exporter_outlives_a_run_that_mpirun_ends(self):
        collector = self.folder / "collector_of_ended"
        collector.mkdir()
        run, _ = self.start_run("ended", f"metrics.textfile={collector}", np=2)
        self.assertEqual(len(list(collector.iterdir())), 2)
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=HANGS_S)
        self.wait_until(lambda: not list(collector.iterdir()), HANGS_S, "the files being gone")

    def start_monitor(self, *arguments, program=BINARY):
        environment = {**os.environ, "PATH": f"{pathlib.Path(PROMETHEUS).parent}:{os.environ['PATH']}"}
        monitor = subprocess.Popen([program, "monitor", *map(str, arguments)], cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.addCleanup(self.stop, monitor)
        return monitor

    def installed(self):
        """Installs the program as `cmake --install` does, outside any checkout."""
        prefix = self.folder / "prefix"
        (prefix / "bin").mkdir(parents=True)
        (prefix / "share" / "vae_dist").mkdir(parents=True)
        shutil.copy(BINARY, prefix / "bin" / "vae_dist")
        shutil.copytree(SOURCE / "configs", prefix / "share" / "vae_dist" / "configs")
        return prefix / "bin" / "vae_dist"

    def test_an_installed_program_watches_the_runs_of_the_folder_it_is_called_in_and_ends_on_ctrl_c(self):
        run, discovery = self.start_run(os.fsdecode(b"caf\xe9"), np=1, discovery=r"caf\xe9.prometheus.json")
        (self.folder / "others' runs").mkdir()
        port = free_port()
        monitor = self.start_monitor("--runs", "runs", "others' runs", "not_yet", "--port", port, program=self.installed())

        def rules():
            try:
                return {rule["name"] for group in json.loads(get(f"http://localhost:{port}/api/v1/rules"))["data"]["groups"] for rule in group["rules"]}
            except (urllib.error.URLError, ConnectionError):
                return set()
        self.wait_until(lambda: "VaeDistNoProgress" in rules() or monitor.poll() is not None, HANGS_S, "prometheus answering")
        self.assertIsNone(monitor.poll())
        self.wait_until(lambda: self.targets(f"http://localhost:{port}") == [("0", r"caf\xe9", "up")], HANGS_S, "the run being found")
        self.wait_until(lambda: self.values(f"http://localhost:{port}", r'vae_dist_steps_total{run="caf\\xe9"}'), HANGS_S, "its series")
        self.assertIn(discovery.name.replace("\\", r"\\"), get(f"http://localhost:{port}/metrics"), "Prometheus names the file in a label of its own")
        self.assertIsNone(run.poll(), "the run ended by itself")

        # An alert's link leads to a page that Prometheus itself serves.
        groups = json.loads(get(f"http://localhost:{port}/api/v1/rules"))["data"]["groups"]
        links = [rule["annotations"]["runbook_url"] for group in groups for rule in group["rules"] if rule["type"] == "alerting"]
        self.assertGreater(len(links), 8)
        address, _, place = links[0].replace("{{ $externalURL }}", f"http://localhost:{port}").partition("#")
        self.assertIn(f'id="{place}"', get(address))
        monitor.send_signal(signal.SIGINT)
        said, _ = monitor.communicate(timeout=HANGS_S)
        self.assertEqual(monitor.returncode, 0, said)
        self.assertIn(f"http://localhost:{port}/targets", said)
        self.assertIn(f"runs in    {self.folder}/runs, {self.folder}/others' runs, {self.folder}/not_yet (does not exist yet)\n", said)
        self.assertEqual(rules(), set(), "the server is gone")

    def test_monitor_says_what_is_wrong(self):
        missing = self.program("monitor", "--config", "nowhere.yml")
        self.assertEqual(missing.returncode, 2)
        self.assertIn("there is no file nowhere.yml", missing.stderr)
        for arguments, complaint in ((["--config", MONITORING / "prometheus.yml", "--runs", "runs"], "not both"), (["--runs", "runs*"], "treats *, ?, ["),
                                     (["--runs", os.fsdecode(b"caf\xe9")], r"caf\xe9")):
            refused = self.program("monitor", *arguments)
            self.assertEqual(refused.returncode, 2, arguments)
            self.assertIn(complaint, refused.stderr)
        without = self.program("monitor", "--config", MONITORING / "prometheus.yml", env={"PATH": str(self.folder)})
        self.assertEqual(without.returncode, 2)
        self.assertIn("cannot start prometheus", without.stderr)
        self.assertIn("package prometheus", without.stderr)
        (self.folder / "broken.yml").write_text("no such key: 1\n")
        monitor = self.start_monitor("--config", "broken.yml", "--port", free_port())
        said, _ = monitor.communicate(timeout=HANGS_S)
        self.assertEqual(monitor.returncode, 2, said)
        self.assertIn("prometheus ended with exit code", said)


if __name__ == "__main__":
    unittest.main()
