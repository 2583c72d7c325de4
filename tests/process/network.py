"""Simulated hosts on one machine: network namespaces with their own host names, connected to a bridge by veth links, so that ranks talk TCP
over a network that a test can inspect and cut. Needs root and iproute2."""
import os
import pathlib
import subprocess
import tempfile
import unittest

from ranks import signal_all

# mpirun starts its daemons through this script instead of ssh. The last number of the address is the host's number.
AGENT = """#!/bin/sh
address=$1; shift
number=${{address##*.}}
exec ip netns exec {name}-$number unshare --uts sh -c "hostname host$number; $*"
"""


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


class Network:
    """with Network(2) as network: subprocess.Popen(network.mpirun([2, 1], command))  # two ranks on the first host, one on the second"""

    def __init__(self, hosts):
        # Link names have at most 15 characters.
        self.name = f"vd{os.getpid()}"
        self.numbers = range(1, hosts + 1)

    def __enter__(self):
        if os.geteuid() != 0:
            raise unittest.SkipTest("not run: only root may create network namespaces")
        self._folder = tempfile.TemporaryDirectory(prefix="vae_dist_network_")
        self._agent = pathlib.Path(self._folder.name) / "agent"
        self._agent.write_text(AGENT.format(name=self.name))
        self._agent.chmod(0o755)
        try:
            # The bridge has its own namespace, so the machine's network is not touched.
            ip("netns", "add", f"{self.name}-0")
        except subprocess.CalledProcessError as error:
            self.__exit__()
            raise unittest.SkipTest(f"not run: this machine cannot create network namespaces: {error.stderr.strip()}") from error
        try:
            ip("-n", f"{self.name}-0", "link", "add", "bridge", "type", "bridge")
            ip("-n", f"{self.name}-0", "link", "set", "bridge", "up")
            for number in self.numbers:
                host = f"{self.name}-{number}"
                ip("netns", "add", host)
                ip("-n", host, "link", "set", "lo", "up")
                ip("link", "add", "eth", "netns", host, "type", "veth", "peer", "name", f"to{number}", "netns", f"{self.name}-0")
                ip("-n", host, "addr", "add", f"10.77.0.{number}/24", "dev", "eth")
                ip("-n", host, "link", "set", "eth", "up")
                ip("-n", f"{self.name}-0", "link", "set", f"to{number}", "master", "bridge", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for number in [*self.numbers, 0]:
            # An mpirun daemon that was cut off does not exit by itself.
            pids = subprocess.run(["ip", "netns", "pids", f"{self.name}-{number}"], capture_output=True, text=True, check=False).stdout
            signal_all(map(int, pids.split()))
            subprocess.run(["ip", "netns", "del", f"{self.name}-{number}"], capture_output=True, check=False)
        self._folder.cleanup()

    def mpirun(self, ranks_of_hosts, command):
        """The command line that starts `command` with the given number of ranks on each host. mpirun itself runs on the first host."""
        hosts = ",".join(f"10.77.0.{number}:{ranks}" for number, ranks in zip(self.numbers, ranks_of_hosts))
        settings = [word for name, value in self.mpi_settings().items() for word in ("--mca", name.removeprefix("OMPI_MCA_"), value)]
        mpirun = ["mpirun", *settings, "--oversubscribe", "--bind-to", "none"]
        return [*self.on_first_host(), *mpirun, "-np", str(sum(ranks_of_hosts)), "--host", hosts, *command]

    def on_first_host(self):
        """A command prefix that runs a command on the first host."""
        return ["ip", "netns", "exec", f"{self.name}-1", "unshare", "--uts", "sh", "-c", 'hostname host1; exec "$@"', "sh"]

    def mpi_settings(self):
        """Open MPI's variables for this network."""
        settings = {"plm_rsh_agent": str(self._agent), "btl": "tcp,self,vader", "oob_tcp_if_include": "10.77.0.0/24", "btl_tcp_if_include": "10.77.0.0/24"}
        return {f"OMPI_MCA_{name}": value for name, value in settings.items()}

    def hosts(self, slots):
        """All hosts with `slots` ranks each, in the format of --hosts."""
        return ",".join(f"10.77.0.{number}:{slots}" for number in self.numbers)

    def cut(self, number):
        """Takes a host's link down, so that packets are lost silently."""
        ip("-n", f"{self.name}-0", "link", "set", f"to{number}", "down")
