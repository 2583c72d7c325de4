"""A private, real Slurm cluster on one machine: a controller, two nodes and a private munge, in a temporary folder and on 127.0.0.1 only.
Needs root and Debian's packages slurmctld, slurmd, slurm-client and munge (launcher/test.sh installs them).

To fit on one machine, each node is a slurmd with its own port and host name (in a UTS namespace, because Open MPI names its shared memory
after the host). The name also resolves there (in a mount namespace with another /etc/hosts). PMIx' files are separate (TmpFS with %n), cgroups
neither measure nor limit anything, and terminals stand in for GPUs."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

from deadline import HANGS_S
from ports import free_ports
from ranks import signal_all

NODES = ("node1", "node2")
GPUS = 8
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "scontrol", "scancel", "squeue")

CONFIGURATION = """\
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ports[0]}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
# cred_expire: a requeued job waits this long, 120 s by default.
AuthInfo=socket={folder}/munge/socket,cred_expire=10
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
TmpFS={folder}/tmp/%n
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=2,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
# Time between a job's SIGTERM and its SIGKILL, in which it writes its checkpoint, even on a slow machine. Some tests wait this long, so it is at most ten times the time needed.
KillWait=120
UnkillableStepTimeout=240
MinJobAge=3600
ReturnToService=2
SlurmdTimeout=600
MessageTimeout=60
NodeName=node1 NodeHostname=node1 NodeAddr=127.0.0.1 Port={ports[1]} CPUs=8 RealMemory=1000 Gres=gpu:{gpus}
NodeName=node2 NodeHostname=node2 NodeAddr=127.0.0.1 Port={ports[2]} CPUs=8 RealMemory=1000 Gres=gpu:{gpus}
PartitionName=normal Nodes=node1,node2 Default=YES PriorityTier=1 PreemptMode=OFF
PartitionName=low Nodes=node1,node2 PriorityTier=1
PartitionName=high Nodes=node1,node2 PriorityTier=20
"""
# Runs a node's daemon where the machine has the node's name.
AS_NODE = 'hostname "$1"; mount --bind "$2" /etc/hosts; shift 2; exec "$@"'


def cannot_run():
    """Why this machine cannot run the cluster, or None."""
    if os.geteuid() != 0:
        return "only root may start Slurm nodes with their own host names"
    for number in range(GPUS):
        if not pathlib.Path(f"/dev/tty{number}").exists():
            return f"there is no /dev/tty{number}, which would stand in for a GPU"
    made = subprocess.run(["unshare", "--uts", "--mount", "true"], capture_output=True, text=True)
    return f"this machine cannot create namespaces: {made.stderr.strip()}" if made.returncode else None


class Cluster:
    """Starts in its constructor. stop() ends it and all processes that its jobs left. Programs that talk to it need `environment`."""

    def __init__(self):
        reason = cannot_run()
        if reason:
            raise unittest.SkipTest(f"not run: {reason}")
        self._path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
        missing = [name for name in PROGRAMS if not shutil.which(name, path=self._path)]
        if missing:
            raise AssertionError(f"these tests need Slurm ({', '.join(missing)} missing): launcher/test.sh installs it")
        self._folder = tempfile.TemporaryDirectory(prefix="vae_dist_slurm_")
        self.folder = pathlib.Path(self._folder.name)
        self._daemons = []
        self._write_files()
        self.environment = {**os.environ, "PATH": self._path, "SLURM_CONF": str(self.folder / "slurm.conf")}
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _write_files(self):
        for name in ("munge", "state", *(f"{place}/{node}" for place in ("spool", "tmp") for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        key = self.folder / "munge" / "key"
        key.touch(0o400)
        key.write_bytes(os.urandom(128))
        (self.folder / "slurm.conf").write_text(CONFIGURATION.format(folder=self.folder, ports=free_ports(3), gpus=GPUS))
        (self.folder / "gres.conf").write_text(f"Name=gpu File=/dev/tty[0-{GPUS - 1}]\n")
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        (self.folder / "hosts").write_text(f"127.0.0.1 localhost {' '.join(NODES)}\n")

    def _start_daemon(self, name, *command):
        with open(self.folder / f"{name}.out", "w") as output:
            self._daemons.append(subprocess.Popen(command, env=self.environment, cwd=self.folder, stdout=output, stderr=subprocess.STDOUT,
                                                  stdin=subprocess.DEVNULL))

    def _start(self):
        munge = self.folder / "munge"
        self._start_daemon("munged", "munged", "--foreground", "--force", f"--key-file={munge}/key", f"--socket={munge}/socket",
                           f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed")
        self._wait_until(lambda: (munge / "socket").exists(), "munge")
        self._start_daemon("slurmctld", "slurmctld", "-D", "-i")
        for node in NODES:
            self._start_daemon(node, "unshare", "--uts", "--mount", "sh", "-c", AS_NODE, "sh", node, self.folder / "hosts", "slurmd", "-D", "-N", node)
        self._wait_until(lambda: self._ask("sinfo", "--noheader", "--states=idle", "--partition=normal", "--format=%D").strip() == str(len(NODES)), "both nodes")

    def _wait_until(self, condition, what):
        deadline = time.monotonic() + HANGS_S
        while not condition():
            if time.monotonic() > deadline or self.is_down():
                said = "".join(f"-- {file.name}\n{file.read_text()}" for file in sorted(self.folder.glob("*.out")))
                raise AssertionError(f"Slurm did not start: waiting for {what}\n{said}")
            time.sleep(0.2)

    def _ask(self, *command):
        """The output of a Slurm command, or "" if it fails."""
        return subprocess.run(command, env=self.environment, text=True, capture_output=True, timeout=HANGS_S, stdin=subprocess.DEVNULL).stdout

    def call(self, *command, cwd=None, environment=None):
        """The output of a Slurm command, which must succeed."""
        done = subprocess.run([str(word) for word in command], env={**self.environment, **(environment or {})}, cwd=cwd, text=True, capture_output=True,
                              timeout=HANGS_S, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def facts(self, job):
        """A job's facts from `scontrol show job`: {"JobState": "RUNNING", "Restarts": "1", ...}."""
        words = self._ask("scontrol", "--oneliner", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def daemons(self):
        return [daemon.pid for daemon in self._daemons]

    def is_down(self):
        """Whether any daemon has exited or all have been stopped."""
        return not self._daemons or any(daemon.poll() is not None for daemon in self._daemons)

    def processes(self):
        """The ids of all processes with this cluster's SLURM_CONF in their environment: daemons, jobs, and leftovers of jobs."""
        marker = f"SLURM_CONF={self.environment['SLURM_CONF']}".encode()
        for folder in pathlib.Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and marker in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name)
            except OSError:
                continue

    def logs(self):
        return "".join(f"-- {file.name}\n{file.read_text(errors='replace')[-6000:]}" for file in sorted(self.folder.glob("*.log")))

    def stop(self):
        """Ends all daemons, jobs and leftover processes. Idempotent."""
        if not self._daemons:
            return
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in reversed(self._daemons):
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._daemons = []
        signal_all(self.processes())  # jobs outlive their slurmd
        self._folder.cleanup()
