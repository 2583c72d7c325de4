"""Tests which of the remaining GPUs, hosts and replicas a start gets. (tests/faults has real starts.)"""
import os
import pathlib
import tempfile
import unittest
from unittest import mock

from supervise import gpus, hosts, run_facts, supervisor
from supervise.hosts import Host
from supervise.outcome import Outcome
from supervise.supervisor import Options, Supervisor

FAILED = Outcome(code=137, ranks={}, at_fault=[], error=None)


class Supervised(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.run_path = pathlib.Path(folder.name)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
        patch = mock.patch.dict(os.environ, environment, clear=True)
        patch.start()
        self.addCleanup(patch.stop)

    def supervisor(self, np=None, on=(), gpus_here=8, replicas=None, global_batch=64, reproducible=False, on_gpu=True, share_gpu=False):
        facts = run_facts.RunFacts(self.run_path, self.run_path / "x.prometheus.json", replicas, global_batch, reproducible, on_gpu, share_gpu)
        self.gpus_here = gpus_here
        patches = [mock.patch.object(run_facts, "ask_program", lambda *_: facts), mock.patch.object(gpus, "gpu_bus_ids", lambda: ["gpu"] * self.gpus_here)]
        for patch in patches:
            patch.start()
            self.addCleanup(patch.stop)
        return Supervisor(Options(np, list(on), 5, 1, "vae_dist", []), requests=[])

    def next_start(self, made):
        """Simulates a failed start and returns its [(host, ranks)]."""
        room = made.room()
        np = made.world_size(room)
        made.replicas = made.replicas or np
        placed = hosts.place_ranks(room, np)
        made.starts.append((placed, FAILED))
        return [(host.name, ranks) for host, ranks in placed]


class World(Supervised):
    def test_is_a_rank_a_gpu(self):
        self.assertEqual(self.next_start(self.supervisor()), [("localhost", 8)])
        self.assertEqual(self.next_start(self.supervisor(on=[Host("a"), Host("b")])), [("a", 8), ("b", 8)])

    def test_shrinks_to_what_divides_the_replicas_when_a_gpu_is_lost(self):
        made = self.supervisor()
        self.next_start(made)
        self.gpus_here = 7
        self.assertEqual(self.next_start(made), [("localhost", 4)])
        self.assertEqual(made.overrides(), ["distributed.replicas=8"])

    def test_of_a_run_with_a_checkpoint_follows_its_replicas(self):
        made = self.supervisor(gpus_here=5)
        folder = self.run_path / "checkpoints" / "step_00000010"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
        (folder / "state.json").write_text('{"replicas": 12}')
        self.assertEqual(self.next_start(made), [("localhost", 4)])
        self.assertEqual(made.overrides(), [])

    def test_np_is_taken_as_it_is_at_first_and_is_the_most_later(self):
        made = self.supervisor(np=6, replicas=6)
        self.assertEqual(self.next_start(made), [("localhost", 6)])
        self.gpus_here = 5
        self.assertEqual(self.next_start(made), [("localhost", 3)])
        self.gpus_here = 8
        self.assertEqual(self.next_start(made), [("localhost", 6)])

    def test_more_than_there_is_room_for_is_refused(self):
        with self.assertRaisesRegex(hosts.Wrong, "--np 5: a:2, b:2 have room for 4"):
            self.next_start(self.supervisor(np=5, on=[Host("a", 2), Host("b", 2)]))

    def test_ranks_on_a_cpu_or_on_shared_gpus_are_as_many_as_asked_for(self):
        self.assertEqual(self.next_start(self.supervisor(np=4, on_gpu=False)), [("localhost", 4)])
        self.assertEqual(self.next_start(self.supervisor(np=4, gpus_here=1, share_gpu=True)), [("localhost", 4)])

    def test_without_gpus_there_is_one_a_core_up_to_eight(self):
        made = self.supervisor(gpus_here=0)
        made.machine = mock.Mock(cores=6)
        self.assertEqual(self.next_start(made), [("localhost", 4)])
        made = self.supervisor(gpus_here=0, global_batch=None)
        made.machine = mock.Mock(cores=64)
        self.assertEqual(self.next_start(made), [("localhost", supervisor.MOST_CPU_RANKS)])

    def test_hosts_that_do_not_answer_get_none(self):
        made = self.supervisor(on=[Host("a", 4), Host("b", 4), Host("c", 4)], replicas=12)
        self.assertEqual(self.next_start(made), [("a", 4), ("b", 4), ("c", 4)])
        with mock.patch.object(hosts, "responding_hosts", lambda all_hosts, _: [host for host in all_hosts if host.name != "b"]):
            made.exclude_failed_hosts()
            self.assertEqual(self.next_start(made), [("a", 4), ("c", 2)])
        # The host responds again and is used again, because it failed only once.
        with mock.patch.object(hosts, "responding_hosts", lambda all_hosts, _: list(all_hosts)):
            made.exclude_failed_hosts()
            self.assertEqual(self.next_start(made), [("a", 4), ("b", 4), ("c", 4)])
            made.policy.count_host("b")
            made.exclude_failed_hosts()
            self.assertEqual(self.next_start(made), [("a", 4), ("c", 2)])
            self.assertEqual([host.name for host in made.hosts], ["a", "c"])


class Slurm(Supervised):
    def test_a_job_is_the_same_through_requeues(self):
        os.environ.update(SLURM_JOB_ID="17")
        self.assertEqual(supervisor.job_and_first_restart(), ("slurm-17", 0))
        os.environ.update(SLURM_RESTART_COUNT="2")
        self.assertEqual(supervisor.job_and_first_restart(), ("slurm-17", 2_000_000))

    def test_its_hosts_are_taken(self):
        scontrol = self.run_path / "scontrol"
        scontrol.write_text("#!/bin/sh\n[ \"$*\" = 'show hostnames n[1-3]' ] && printf 'n1\\nn2\\nn3\\n'\n")
        scontrol.chmod(0o755)
        os.environ.update(SLURM_JOB_NODELIST="n[1-3]", SLURM_TASKS_PER_NODE="4(x2),2", PATH=f"{self.run_path}:{os.environ['PATH']}")
        self.assertEqual(self.next_start(self.supervisor()), [("n1", 4), ("n2", 4)])
        self.assertEqual(self.next_start(self.supervisor(replicas=10)), [("n1", 4), ("n2", 4), ("n3", 2)])


if __name__ == "__main__":
    unittest.main()
