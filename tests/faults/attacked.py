"""A monitor to be fed what nobody should believe, and the socket to send that by."""

from __future__ import annotations

import unittest

import live  # noqa: F401  (the path to tests/live)

import lab
from monitor import ICMP, Monitor


class Attacked(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(lab.Lab())
        # A piece of what is sent fits a ring, so nothing is lost whatever else the machine does.
        self.monitor = self.enterContext(
            Monitor(self.network, *ICMP, "-q", "--capture", "tcp", "--timeout", "600", "--threads", "2", ring_mib=64)
        )
        self.wire = self.network.wire()
        self.raw = self.network.peer.raw_socket("veth0")
        self.addCleanup(self.raw.close)
