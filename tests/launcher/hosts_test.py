"""Tests of the parsing of hosts, and of the distribution of ranks over them."""
import unittest

from supervise import hosts
from supervise.hosts import Host


class ParseHosts(unittest.TestCase):
    def test_reads_names_with_and_without_ranks(self):
        self.assertEqual(hosts.parse_hosts("a:4,node-2.cluster:8, c"), [Host("a", 4), Host("node-2.cluster", 8), Host("c", None)])
        self.assertEqual(hosts.parse_hosts("10.77.0.1:2"), [Host("10.77.0.1", 2)])

    def test_refuses_what_is_none_naming_it(self):
        for text, part in (("a,,b", "''"), ("a:0", "'a:0'"), ("a:x", "'a:x'"), ("a b", "'a b'"), ("$(reboot)", "$(reboot)"), ("a:2,a:2", "a is listed twice")):
            with self.subTest(text), self.assertRaises(hosts.Wrong) as raised:
                hosts.parse_hosts(text)
            self.assertIn(part, str(raised.exception))

    def test_slurms_counts(self):
        self.assertEqual(hosts.repeated_counts("4(x2),1"), [4, 4, 1])
        self.assertEqual(hosts.repeated_counts("8"), [8])


class PlaceRanks(unittest.TestCase):
    ROOM = [Host("a", 2), Host("b", 4), Host("c", 2)]

    def test_fills_host_after_host(self):
        for np, expected in ((1, [("a", 1)]), (2, [("a", 2)]), (5, [("a", 2), ("b", 3)]), (8, [("a", 2), ("b", 4), ("c", 2)])):
            self.assertEqual([(host.name, ranks) for host, ranks in hosts.place_ranks(self.ROOM, np)], expected)

    def test_each_rank_has_its_host(self):
        self.assertEqual(hosts.host_of_ranks(hosts.place_ranks(self.ROOM, 7)), ["a", "a", "b", "b", "b", "b", "c"])


class ThoseThatAnswer(unittest.TestCase):
    def test_are_those_where_the_command_ends_well_in_time(self):
        commands = {"good": ["true"], "bad": ["false"], "silent": ["sleep", "infinity"], "late silent": ["sleep", "infinity"]}
        found = hosts.responding_hosts([Host(name) for name in commands], lambda host: commands[host.name], patience_s=4)
        self.assertEqual([host.name for host in found], ["good"])


if __name__ == "__main__":
    unittest.main()
