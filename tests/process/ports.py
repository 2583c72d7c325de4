"""Ports of 127.0.0.1 for servers that a test starts."""
import pathlib
import random
import socket

LOWEST = 20000  # above the ports that programs have by default, those of vae_dist's metrics among them


def free_ports(count):
    """Ports that nobody listens on. They lie below those that the system hands out to whoever asks for any, so that no other process gets one of them before
    the server does."""
    handed_out = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found = set()
    while len(found) < count:
        with socket.socket() as listening:
            try:
                listening.bind(("127.0.0.1", random.randrange(LOWEST, max(LOWEST + 1000, handed_out))))
            except OSError:
                continue
            found.add(listening.getsockname()[1])
    return list(found)


def free_port():
    return free_ports(1)[0]
