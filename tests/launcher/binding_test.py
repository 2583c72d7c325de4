"""Tests which GPUs a job sees, and the cores of each rank."""
import unittest

from supervise import binding, gpus


class Cores(unittest.TestCase):
    def test_the_kernels_lists_are_read(self):
        self.assertEqual(gpus.parse_cores("0-3,8,10-11\n"), [0, 1, 2, 3, 8, 10, 11])
        self.assertEqual(gpus.parse_cores("\n"), [])

    def test_ranks_share_the_cores_beside_their_gpus(self):
        # Two NUMA nodes of 8 cores, two GPUs at each.
        near, far = list(range(8)), list(range(8, 16))
        places = binding.places_of_ranks(4, [near, near, far, far], [near, far])
        found = [binding.cores_of_rank(set(range(16)), places, rank) for rank in range(4)]
        self.assertEqual(found, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]])

    def test_only_cores_of_the_job_are_used(self):
        near, far = list(range(8)), list(range(8, 16))
        places = binding.places_of_ranks(2, [near, far], [])
        allowed = set(range(4, 16))
        self.assertEqual(binding.cores_of_rank(allowed, places, 0), [4, 5, 6, 7])
        self.assertEqual(binding.cores_of_rank(allowed, places, 1), far)
        # The job may use none of the cores local to this rank's GPU.
        self.assertEqual(binding.cores_of_rank({8, 9}, places, 0), [8, 9])

    def test_a_rank_is_not_squeezed_onto_one_core(self):
        places = binding.places_of_ranks(4, [], [[0, 1, 2, 3]])
        self.assertEqual(binding.cores_of_rank({0, 1, 2, 3}, places, 2), [0, 1, 2, 3])

    def test_srun_has_divided_the_cores_already(self):
        near, far = list(range(8)), list(range(8, 16))
        # Slurm has given this rank four cores, two of them beside its GPU.
        self.assertEqual(binding.undivided_cores({6, 7, 8, 9}, near), [6, 7])
        self.assertEqual(binding.undivided_cores({8, 9}, near), [8, 9])
        self.assertEqual(binding.undivided_cores(set(range(16)), far), far)

    def test_a_rank_knows_its_place_under_mpirun_and_srun(self):
        srun = {"SLURM_LOCALID": "2", "SLURM_NODEID": "2", "SLURM_STEP_TASKS_PER_NODE": "4(x2),3"}
        self.assertEqual(binding.place_on_node(srun), (2, 3))
        self.assertEqual(binding.place_on_node({**srun, "SLURM_NODEID": "1"}), (2, 4))
        self.assertTrue(binding.started_by_srun(srun))
        # mpirun's daemons are tasks of Slurm, whose variables its ranks inherit.
        mpirun = {**srun, "SLURM_LOCALID": "0", "OMPI_COMM_WORLD_LOCAL_RANK": "5", "OMPI_COMM_WORLD_LOCAL_SIZE": "8"}
        self.assertEqual(binding.place_on_node(mpirun), (5, 8))
        self.assertFalse(binding.started_by_srun(mpirun))

    def test_without_gpus_numa_nodes_are_filled_in_order(self):
        places = binding.places_of_ranks(4, [], [[0, 1, 2, 3], [4, 5, 6, 7]])
        self.assertEqual([binding.cores_of_rank(set(range(8)), places, rank) for rank in range(4)], [[0, 1], [2, 3], [4, 5], [6, 7]])

    def test_where_the_system_says_nothing_all_cores_are_used(self):
        self.assertEqual(binding.cores_of_rank({0, 1, 2}, binding.places_of_ranks(2, [[], []], []), 1), [0, 1, 2])
        self.assertEqual(binding.cores_of_rank({0, 1, 2}, binding.places_of_ranks(2, [], []), 0), [0, 1, 2])


class VisibleGpus(unittest.TestCase):
    LISTED = [("GPU-aa11", "bus0"), ("GPU-bb22", "bus1"), ("GPU-bb33", "bus2")]

    def test_are_those_that_the_variable_names_in_its_order(self):
        for chosen, expected in ((None, ["bus0", "bus1", "bus2"]), ("2,0", ["bus2", "bus0"]), ("GPU-bb22", ["bus1"]), ("", []),
                                 ("1,7,0", ["bus1"]), ("GPU-bb", []), ("-1", [])):
            with self.subTest(chosen=chosen):
                self.assertEqual([bus for _, bus in gpus.visible(self.LISTED, chosen)], expected)


if __name__ == "__main__":
    unittest.main()
