"""Tests of the number of ranks of a start."""
import unittest

from supervise.world_size import largest_world_size


class LargestWorldSize(unittest.TestCase):
    def test_divides_the_replicas_and_fits_the_slots(self):
        for slots, replicas, expected in ((8, 8, 8), (7, 8, 4), (3, 8, 2), (1, 8, 1), (8, 6, 6), (5, 6, 3), (16, 12, 12), (11, 12, 6), (4, 7, 1)):
            with self.subTest(slots=slots, replicas=replicas):
                self.assertEqual(largest_world_size(slots, replicas=replicas, global_batch=64), expected)

    def test_is_a_power_of_two_where_reproducible(self):
        for slots in range(1, 20):
            np = largest_world_size(slots, replicas=16, reproducible=True)
            self.assertEqual(np, max(n for n in (1, 2, 4, 8, 16) if n <= slots))
        self.assertEqual(largest_world_size(6, replicas=12, reproducible=True), 4)

    def test_of_a_first_start_cuts_the_global_batch_into_parts_of_two_or_more(self):
        for slots, batch, expected in ((8, 64, 8), (8, 60, 6), (7, 64, 4), (8, 8, 4), (8, 7, 1), (3, 5, 1), (4, None, 4)):
            with self.subTest(slots=slots, batch=batch):
                self.assertEqual(largest_world_size(slots, global_batch=batch), expected)

    def test_there_may_be_none(self):
        self.assertEqual(largest_world_size(0, replicas=4), 0)
        self.assertEqual(largest_world_size(4, global_batch=1), 0)


if __name__ == "__main__":
    unittest.main()
