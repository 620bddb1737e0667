"""Sequence numbers, modulo 2^32, seen from a SYN or SYN/ACK that was sent with one."""

from __future__ import annotations

from dataclasses import dataclass

SPACE = 1 << 32
BOUND = 1 << 24  # how far beyond a SYN a segment may be and still prove something


@dataclass(frozen=True)
class Opening:
    """The initial number of one side, and the most data that came along with it."""

    isn: int
    data: int = 0

    def beyond(self, number: int) -> int:
        """0 is the number after the SYN; what lies before it is far beyond."""
        return (number - self.isn - 1) % SPACE

    def exactly(self, number: int, more: int = 0) -> bool:
        """The number after the SYN, or after some or all of its data (and `more`)."""
        return self.beyond(number) <= self.data + more

    def near(self, number: int) -> bool:
        return self.beyond(number) < BOUND

    def past_data(self, number: int) -> bool:
        return self.data < self.beyond(number) < BOUND

    def grown(self, data: int) -> Opening:
        return Opening(self.isn, max(self.data, data))
