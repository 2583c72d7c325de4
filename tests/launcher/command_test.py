"""Tests of the mpirun command line of a start."""
import unittest

from supervise import command, hosts, open_mpi
from supervise.hosts import Host


class Command(unittest.TestCase):
    PLACED = [(Host("a", 4), 4), (Host("b", 4), 2)]

    def words(self, placed=None, environment=None, is_root=False, cores=8, open_mpi_major=4):
        machine = command.Machine(is_root, cores, environment or {}, open_mpi.OpenMpi(open_mpi_major))
        return command.training(placed or self.PLACED, machine, "job 1", 3, "/bin/vae dist", ["--config", "x; rm -rf y.yaml", "run.name=$(a)"])

    def test_starts_the_ranks_of_each_host(self):
        words = self.words()
        self.assertEqual(words[:7], ["mpirun", "-np", "6", "--host", "a:4,b:2", "--map-by", "slot"])

    def test_arguments_stay_whole_words_behind_the_binder(self):
        words = self.words()
        self.assertEqual(words[-5:], [str(command.BOUND_RANK), "/bin/vae dist", "--config", "x; rm -rf y.yaml", "run.name=$(a)"])
        self.assertIn("VAE_DIST_JOB_ID=job 1", words)
        self.assertIn("VAE_DIST_JOB_RESTART=3", words)

    def test_root_is_allowed_only_for_root(self):
        self.assertNotIn("--allow-run-as-root", self.words())
        self.assertIn("--allow-run-as-root", self.words(is_root=True))

    def test_oversubscribes_only_where_there_are_more_ranks_than_cores(self):
        self.assertNotIn("--oversubscribe", self.words())
        self.assertIn("--oversubscribe", self.words(cores=3))

    def test_variables_go_to_other_hosts_and_what_the_user_set_stays(self):
        words = self.words(environment={"NCCL_DEBUG": "INFO", "NCCL_SOCKET_IFNAME": "ib0", "OMP_NUM_THREADS": "2", "HOME": "/h", "OMPI_MCA_oob_tcp_keepalive_time": "3",
                                        "VAE_DIST_JOB_ID": "an outer one"})
        passed = [words[i + 1] for i, word in enumerate(words) if word == "-x"]
        self.assertEqual(passed, ["VAE_DIST_JOB_ID=job 1", "VAE_DIST_JOB_RESTART=3", "NCCL_DEBUG", "NCCL_SOCKET_IFNAME", "OMP_NUM_THREADS"])
        self.assertNotIn("oob_tcp_keepalive_time", words)
        self.assertIn("oob_tcp_keepalive_intvl", words)

    def test_open_mpi_5_has_other_names_for_the_same(self):
        words = self.words(open_mpi_major=5, cores=3, environment={"PRTE_MCA_prte_keepalive_probes": "9", "OMPI_MCA_oob_tcp_keepalive_time": "3"})
        self.assertEqual(words[:7], ["mpirun", "-np", "6", "--host", "a:4,b:2", "--map-by", "slot:OVERSUBSCRIBE"])
        self.assertNotIn("--oversubscribe", words, "which it warns of")
        self.assertNotIn("--mca", words)
        settings = {words[i + 1]: words[i + 2] for i, word in enumerate(words) if word == "--prtemca"}
        self.assertEqual(settings, {"prte_keepalive_time": "10", "prte_keepalive_intvl": "5"})


class KillDelay(unittest.TestCase):
    """The others save the last step before mpirun kills them, twice this delay after a rank has died."""

    def environment(self, seconds, given=None, major=4):
        return command.environment(command.Machine(False, 8, {"HOME": "/h", **(given or {})}, open_mpi.OpenMpi(major)), seconds)

    def test_leaves_time_for_a_checkpoint_like_the_last_one(self):
        for seconds in (0, 0.01, 0.5, 3, 47.3, 600):
            delay = int(self.environment(seconds)["OMPI_MCA_odls_base_sigkill_timeout"])
            self.assertGreaterEqual(delay, 1)
            self.assertGreater(2 * delay, 1.5 * seconds)
            self.assertLess(2 * delay, 2 * seconds + 4)

    def test_is_patient_where_there_was_no_checkpoint_yet(self):
        self.assertEqual(self.environment(None), {"HOME": "/h", "OMPI_MCA_odls_base_sigkill_timeout": "5"})

    def test_open_mpi_5_reads_another_variable(self):
        self.assertEqual(self.environment(None, major=5), {"HOME": "/h", "PRTE_MCA_odls_base_sigkill_timeout": "5"})

    def test_what_the_user_has_set_stays(self):
        for name in ("OMPI_MCA_odls_base_sigkill_timeout", "PRTE_MCA_odls_base_sigkill_timeout"):
            for major in (4, 5):
                self.assertEqual(self.environment(100, {name: "7"}, major), {"HOME": "/h", name: "7"})


class Version(unittest.TestCase):
    def test_is_read_from_what_mpirun_says(self):
        self.assertEqual(open_mpi.from_version("mpirun (Open MPI) 4.1.4\n\nReport bugs to http://www.open-mpi.org/community/help/\n"), open_mpi.OpenMpi(4))
        self.assertEqual(open_mpi.from_version("mpirun (Open MPI) 5.0.7\n"), open_mpi.OpenMpi(5))

    def test_another_mpi_is_refused_by_its_name(self):
        for said, name in (("HYDRA build details:\n    Version:  4.0.2\n", "HYDRA build details"), ("Intel(R) MPI Library for Linux* OS, Version 2021.9\n", "Intel(R) MPI Library"), ("", "nothing")):
            with self.assertRaisesRegex(hosts.Wrong, "needs the mpirun of Open MPI, 4 or 5.*" + name.replace("(", r"\(").replace(")", r"\)")):
                open_mpi.from_version(said)

    def test_the_one_that_is_installed_is_told(self):
        self.assertGreaterEqual(open_mpi.installed().major, 4)


if __name__ == "__main__":
    unittest.main()
