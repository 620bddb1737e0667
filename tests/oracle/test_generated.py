"""Random traffic: tcpeek counts in each generated capture what the oracle does.

Ten seeds, or the one that TCPEEK_SEED names; TCPEEK_SEEDS_PERCENT plays that share of the ten, at
least two. All ten together come under each row of the rules fifty times. A difference is told
with its seed, the filter and the outcomes concerned; generator.py writes the capture of a seed to a
file.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import tempfile
import unittest
from collections import Counter

import compare
import dissect
import filters
import generator
import oracle
from attempt import Row

SEEDS = 10
EACH_ROW = 50  # times at least, by all seeds

setUpModule = compare.require


def seeds() -> list[int]:
    named = os.environ.get("TCPEEK_SEED")
    if named:
        return [int(named)]
    count = SEEDS * int(os.environ.get("TCPEEK_SEEDS_PERCENT", "100")) // 100
    return list(range(1, max(2, count) + 1))


class Generated(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="tcpeek-oracle-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_tcpeek_and_the_oracle_agree(self) -> None:
        rows: Counter[Row] = Counter()
        for seed in seeds():
            with self.subTest(seed=seed):
                rows += self.check(seed)
        if len(seeds()) >= SEEDS:
            self.assertEqual({row: rows[row] for row in Row if rows[row] < EACH_ROW}, {}, "hardly reached")

    def check(self, seed: int) -> Counter[Row]:
        made = generator.generate(seed)
        path = self.folder / f"seed-{seed}{made.suffix}"
        path.write_bytes(made.data)
        self.check_reading(made, path)
        capture = made.capture
        self.check_variety(capture)
        for setting in generator.SETTINGS:
            lines = compare.differences(path, capture, setting)
            self.assertEqual(lines, [], f"seed {seed}, {made.shape}\n" + "\n".join(lines))
        path.unlink()
        return oracle.judge(capture).rows

    def test_several_files_are_one_stream(self) -> None:
        seed = seeds()[0]
        made = generator.generate(seed)
        first, second = (self.folder / f"{part}{made.suffix}" for part in ("first", "second"))
        middle = len(made.packets) // 2
        first.write_bytes(made.shape.written(made.packets[:middle]))
        second.write_bytes(made.shape.written(made.packets[middle:]))
        setting = compare.Setting(generator.EXPRESSIONS, more=("-r", str(second)))
        lines = compare.differences(first, made.capture, setting)
        self.assertEqual(lines, [], f"seed {seed}, {made.shape}\n" + "\n".join(lines))

    def check_reading(self, made: generator.Generated, path: pathlib.Path) -> None:
        """tshark and the oracle's own dissector read the same, but for what tshark is known to stop at."""
        for packet, mine, theirs in zip(made.packets, made.segments, dissect.each_of(path), strict=True):
            if packet.legible:
                if mine is not None and theirs is not None and theirs.tsval is None:
                    mine = dataclasses.replace(mine, tsval=None)  # of an option that the header cuts
                self.assertEqual(mine, theirs, f"{made.shape}: {packet.data.hex()}")

    def check_variety(self, capture: dissect.Capture) -> None:
        """Everything that can become of an attempt does, or the generator is no test."""
        attempts = oracle.judge(capture).attempts
        self.assertGreater(len(attempts), generator.TALKS)
        counts: Counter[str] = filters.tally(attempts, (), filters.Locality()).filters["RX"]
        for label in (
            filters.SUCCESS_DUP_SYN, filters.SUCCESS_DUP_SYNACK, filters.HALF_SEEN, filters.LATE_PROOF,
            filters.LATE_SYNACK, filters.NO_ANSWER, filters.NO_ACK, filters.REJECTED, filters.ABORTED,
            filters.UNREACHABLE, filters.FAILURE_DUP_SYN, filters.FAILURE_DUP_SYNACK,
        ):  # fmt: skip
            self.assertGreater(counts[label], 0, label)


if __name__ == "__main__":
    unittest.main()
