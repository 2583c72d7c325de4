"""Badly behaved clients of a rank's metrics server do not disturb training, and the next scraper gets its answer."""
import json
import os
import pathlib
import random
import signal
import socket
import threading
import unittest
import urllib.request

from deadline import HANGS_S
from runs import SMALL, RunFolder

RANKS = 2
SCRAPERS = 100
STOPPED = 75
# Allocators keep the memory that a hundred answers needed at once. A leak of one answer per request would be ten times this.
MEMORY_BYTES = 24 << 20
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: rank\r\n\r\n"


def resident_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return 1024 * int(line.split()[1])
    raise AssertionError(f"process {pid} has no memory")


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Scrapers(RunFolder):
    def setUp(self):
        self.process = self.start("train", "--config", "run.yaml", "run.name=asked", *SMALL, "train.epochs=1000000", "metrics.port=0", "metrics.address=127.0.0.1",
                                  "distributed.reproducible=true", np=RANKS)
        self.addCleanup(self.end)
        discovery = self.folder / "runs" / "asked.prometheus.json"
        self.wait_until(lambda: discovery.exists() or self.process.poll() is not None, HANGS_S, "the run's file for Prometheus")
        if self.process.poll() is not None:
            self.fail(f"the run ended with {self.process.returncode}:\n{self.process.stdout.read()}")
        targets = [target for group in json.loads(discovery.read_text()) for target in group["targets"]]
        self.addresses = [(host, int(port)) for host, port in (target.split(":") for target in targets)]
        self.assertEqual(len(self.addresses), RANKS)
        self.wait_until(lambda: self.steps_of(0) >= 20, HANGS_S, "the first steps")

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def metrics(self, rank):
        host, port = self.addresses[rank]
        with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=HANGS_S) as response:
            return response.read().decode()

    def steps_of(self, rank):
        for line in self.metrics(rank).splitlines():
            if line.startswith("vae_dist_steps_total{"):
                return float(line.split()[-1])
        return 0

    def connect(self, rank, sent=b""):
        """Opens a connection for a client that may be badly behaved."""
        connection = socket.create_connection(self.addresses[rank], timeout=HANGS_S)
        self.connections.append(connection)
        try:
            connection.sendall(sent)
        except OSError:
            pass  # the server may close such a connection
        return connection

    def hundred_at_once(self):
        """A hundred clients query both ranks as fast as they can."""
        answers = []

        def ask():
            for rank in (0, 1, 0):
                answers.append("vae_dist_steps_total" in self.metrics(rank))
        threads = [threading.Thread(target=ask) for _ in range(SCRAPERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, [True] * 3 * SCRAPERS)

    def slow_readers(self):
        """Clients that read no more than the first byte of the answer."""
        for i in range(SCRAPERS):
            self.connect(i % RANKS, REQUEST)

    def pipelines_that_nobody_reads(self):
        for i in range(8):
            connection = self.connect(i % RANKS)
            connection.settimeout(0.2)
            try:
                for _ in range(200):
                    connection.sendall(20 * REQUEST)
            except OSError:
                pass

    def half_open_connections(self):
        """Clients that never send a complete request."""
        for i in range(SCRAPERS):
            self.connect(i % RANKS, b"" if i % 4 else b"GET /metr")

    def drops_of_requests(self):
        """Clients that send a byte now and then, so that the server keeps hearing from them."""
        connections = [self.connect(i % RANKS, b"GET /metrics HTTP/1.1\r\nX-Slow: ") for i in range(SCRAPERS)]
        bodies = [self.connect(i % RANKS, b"POST /metrics HTTP/1.1\r\nHost: rank\r\nContent-Length: 1000000000\r\n\r\n") for i in range(SCRAPERS)]

        def drip():
            while not self.over.wait(0.1):
                for connection in connections + bodies:
                    try:
                        connection.send(b"x")
                    except OSError:
                        pass
        self.drip = threading.Thread(target=drip)
        self.drip.start()

    def garbage(self):
        noise = random.Random(1265)
        for i in range(SCRAPERS):
            self.connect(i % RANKS, noise.randbytes(noise.randrange(1, 5000)))
        for said in (b"\0\r\n\r\n", b"GET\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n", b"GET /../../etc/passwd HTTP/1.1\r\nHost: rank\r\n\r\n", b"PUT /metrics HTTP/1.1\r\nHost: rank\r\nContent-Length: -1\r\n\r\n",
                     b"GET /metrics HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", b"POST /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", b"\x16\x03\x01\x02\x00\x01\x00"):
            self.connect(0, said)

    def huge_requests(self):
        block = (1 << 20) * b"x"
        for beginning in (b"GET /", b"GET /metrics HTTP/1.1\r\nX-Long: ", b"POST /metrics HTTP/1.1\r\nHost: rank\r\nContent-Length: 1000000000\r\n\r\n"):
            for rank in range(RANKS):
                connection = self.connect(rank, beginning)
                connection.settimeout(0.5)
                try:
                    for _ in range(64):
                        connection.sendall(block)
                except OSError:
                    pass  # the server closed the connection or stopped reading

    def test_training_goes_on_as_if_nobody_had_asked(self):
        pids = self.process.ranks()
        self.hundred_at_once()  # warm-up: the server now holds all memory that it keeps for many clients
        memory, files = ({rank: measure(pid) for rank, pid in pids.items()} for measure in (resident_bytes, open_files))
        for misbehave in (self.hundred_at_once, self.slow_readers, self.pipelines_that_nobody_reads, self.half_open_connections, self.drops_of_requests, self.garbage, self.huge_requests):
            with self.subTest(misbehave.__name__):
                self.connections, self.over, self.drip = [], threading.Event(), None
                try:
                    before = self.steps_of(0)
                    misbehave()
                    # All clients still hold their connections here.
                    for rank in range(RANKS):
                        self.assertIn("vae_dist_steps_total", self.metrics(rank))
                    self.wait_until(lambda: self.steps_of(0) > before, HANGS_S, "the next step")
                    for rank, pid in pids.items():
                        self.assertLess(resident_bytes(pid), memory[rank] + MEMORY_BYTES)
                finally:
                    self.over.set()
                    if self.drip:
                        self.drip.join()
                    for connection in self.connections:
                        connection.close()
        for rank, pid in pids.items():
            self.wait_until(lambda: open_files(pid) <= files[rank], HANGS_S, f"rank {rank} closing connections")

        self.half_open_connections()  # the end of the run does not wait for these either
        self.process.send_signal(signal.SIGUSR1)
        said, _ = self.process.communicate(timeout=HANGS_S)
        self.assertEqual(self.process.returncode, STOPPED, said)
        for connection in self.connections:
            connection.close()
        self.assertNotIn("warning", said)
        losses = self.losses("asked")
        self.train("unasked", f"train.steps={len(losses)}", "distributed.reproducible=true", np=RANKS)
        self.assertEqual(losses, self.losses("unasked"))


if __name__ == "__main__":
    unittest.main()
