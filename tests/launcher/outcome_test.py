"""Tests how the output of mpirun and the ranks is interpreted."""
import pathlib
import tempfile
import unittest

from supervise import outcome

KILLED = """vae_dist: rank 0: something
--------------------------------------------------------------------------
Primary job  terminated normally, but 1 process returned
a non-zero exit code. Per user-direction, the job has been aborted.
--------------------------------------------------------------------------
mpirun noticed that process rank 2 with PID 0 on node host2 exited on signal 9 (Killed).
"""


class Killed(unittest.TestCase):
    def test_ranks_are_named_with_their_signal(self):
        self.assertEqual(outcome.killed_ranks(KILLED), {2: 9})
        # Open MPI 5 uses another program name, and long host names wrap onto the next line.
        self.assertEqual(outcome.killed_ranks("prterun noticed that process rank 1 with PID 23072 on node vm exited on\nsignal 9 (Killed).\n"), {1: 9})
        self.assertEqual(outcome.killed_ranks("process rank 11 with PID 4711 on\nnode a.b exited on\nsignal 11 (Segmentation fault)."), {11: 11})

    def test_is_the_beginning_and_no_error_that_comes_again(self):
        found = outcome.judge(137, {0: "vae_dist: rank 0: MPI_Allreduce: lost connection [x.cpp:3]\n"}, {2: 9})
        self.assertEqual((found.at_fault, found.error), ([2], None))
        self.assertEqual(found.ranks, {0: "MPI_Allreduce: lost connection [x.cpp:3]", 2: "was killed by SIGKILL"})

    def test_a_crash_is_an_error_that_may_come_again(self):
        self.assertEqual(outcome.judge(139, {}, {1: 11}).error, "rank 1: SIGSEGV")


class LostHosts(unittest.TestCase):
    def test_are_those_whose_daemon_mpirun_misses(self):
        said = """ORTE has lost communication with a remote daemon.

  HNP daemon   : [[32545,0],0] on node host1
  Remote daemon: [[32545,0],1] on node 10.77.0.2
"""
        self.assertEqual(outcome.lost_hosts(said), ["10.77.0.2"])
        self.assertEqual(outcome.lost_hosts("Remote daemon: [[1,0],1] on node b"), [])
        # The message of Open MPI 5.
        self.assertEqual(outcome.lost_hosts(said.replace("ORTE", "PRTE").replace("[[32545,0],1]", "[prterun-host1-77@0,1]")), ["10.77.0.2"])


class Said(unittest.TestCase):
    def test_consequences_are_not_the_beginning(self):
        found = outcome.judge(3, {0: "vae_dist: rank 0: (as a consequence of the failure of rank 1) MPI_Send failed",
                                  1: "vae_dist: rank 1: cannot read data [a.cpp:7]\nin step 12\n"}, {})
        self.assertEqual((found.at_fault, found.error), ([1], "cannot read data [a.cpp:7]in step 12"))

    def test_lost_ranks_are_the_beginning_not_who_missed_them(self):
        text = "forward of step 15 did not end within 5.1 s (last collective: #90 gradients); rank 2 is not responding; rank 3 is not responding. (limits)"
        alone = "forward of step 15 did not end within 5 s; rank 0 is not responding; rank 1 is not responding. (limits)"
        found = outcome.judge(-15, {0: f"vae_dist: rank 0: {text}\nthe last collectives\n", 2: f"vae_dist: rank 2: {alone}"}, {})
        self.assertEqual((found.at_fault, found.code), ([2, 3], outcome.TIMED_OUT))

    def test_times_do_not_make_another_error(self):
        first, second = (outcome.judge(4, {0: f"vae_dist: rank 0: did not end within {t} s; rank 1 is not responding"}, {}) for t in ("5.1", "5"))
        self.assertEqual(first.error, second.error)

    def test_nothing_tells_nothing(self):
        found = outcome.judge(1, {}, {})
        self.assertEqual((found.at_fault, found.error, found.ranks), ([], None, {}))


class Errors(unittest.TestCase):
    def test_only_those_of_this_start_count(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "rank_0.txt").write_text("old")
            (folder / "rank_1.txt").write_text("old")
            before = outcome.find_errors(folder)
            (folder / "rank_1.txt").write_text("new words")
            (folder / "rank_3.txt").write_text("new")
            (folder / "rank_x.txt").write_text("not a rank")
            self.assertEqual(outcome.read(outcome.newer(before, outcome.find_errors(folder))), {1: "new words", 3: "new"})
        self.assertEqual(outcome.find_errors(folder), {})


if __name__ == "__main__":
    unittest.main()
