"""Tests when a failed run is restarted."""
import unittest

from supervise import outcome
from supervise.hosts import Host
from supervise.outcome import Outcome
from supervise.policy import LONGEST_PAUSE_S, Policy


def failed(error=None, step=0, code=137):
    return Outcome(code=code, ranks={}, at_fault=[], error=error, step=step)


class Ends(unittest.TestCase):
    def test_when_it_is_done_refused_or_stopped(self):
        for code, word in ((0, "done"), (2, "refused"), (75, "stopped on request")):
            self.assertIn(word, Policy(5).reason_to_end(failed(code=code), [], progress=True, stopping=False))

    def test_when_it_fails_while_it_is_asked_to_stop(self):
        self.assertIn("asked to stop", Policy(5).reason_to_end(failed(), [], progress=True, stopping=True))

    def test_at_the_same_error_at_the_same_step_twice(self):
        policy = Policy(5)
        self.assertIsNone(policy.reason_to_end(failed("CUDA error", 40, code=3), [], progress=True, stopping=False))
        self.assertIsNone(policy.reason_to_end(failed("CUDA error", 41, code=3), [], progress=False, stopping=False))
        self.assertIsNone(policy.reason_to_end(failed("other error", 41, code=3), [], progress=False, stopping=False))
        self.assertIn("step (41) twice", policy.reason_to_end(failed("other error", 41, code=3), [], progress=False, stopping=False))

    def test_not_at_two_kills_from_outside_at_the_same_step(self):
        policy = Policy(5)
        for _ in range(4):
            self.assertIsNone(policy.reason_to_end(failed(None, 7), [], progress=False, stopping=False))

    def test_after_k_restarts_without_progress(self):
        for k in (0, 1, 4):
            policy = Policy(k)
            for _ in range(k):
                self.assertIsNone(policy.reason_to_end(failed(), [], progress=False, stopping=False))
            self.assertIn(f"{k} restarts without a new checkpoint", policy.reason_to_end(failed(), [], progress=False, stopping=False))


class Progress(unittest.TestCase):
    def test_makes_the_count_start_afresh(self):
        policy = Policy(2)
        for _ in range(50):
            self.assertIsNone(policy.reason_to_end(failed(), [], progress=True, stopping=False))
            self.assertIsNone(policy.reason_to_end(failed(), [], progress=False, stopping=False))
        self.assertIsNotNone(policy.reason_to_end(failed(), [], progress=False, stopping=False))

    def test_makes_the_pause_start_afresh(self):
        policy = Policy(100, first_pause_s=1)
        pauses = []
        for progress in (False, False, False, True, False):
            policy.reason_to_end(failed(), [], progress=progress, stopping=False)
            pauses.append(policy.pause_s())
        self.assertEqual(pauses, [1, 2, 4, 1, 2])
        for _ in range(20):
            policy.reason_to_end(failed(), [], progress=False, stopping=False)
        self.assertEqual(policy.pause_s(), LONGEST_PAUSE_S)


class Hosts(unittest.TestCase):
    A, B = Host("a"), Host("b")

    def test_that_failed_twice_are_left_out(self):
        policy = Policy(100)
        policy.reason_to_end(failed(), ["b"], progress=True, stopping=False)
        self.assertEqual(policy.left_out([self.A, self.B]), [])
        policy.reason_to_end(failed(), ["b"], progress=True, stopping=False)
        self.assertEqual(policy.left_out([self.A, self.B]), [self.B])

    def test_the_last_one_stays(self):
        policy = Policy(100)
        for _ in range(5):
            policy.reason_to_end(failed(), ["a", "b"], progress=True, stopping=False)
        self.assertEqual(policy.left_out([self.A, self.B]), [])
        self.assertEqual(policy.left_out([self.A]), [])


class FinalCode(unittest.TestCase):
    def test_maps_deaths_by_signals_to_a_failed_rank(self):
        self.assertEqual([outcome.final_code(code) for code in (0, 2, 3, 4, 75)], [0, 2, 3, 4, 75])
        self.assertEqual([outcome.final_code(code) for code in (137, 139, 1, -9, -15)], [3] * 5)


if __name__ == "__main__":
    unittest.main()
