"""Reads which lines the tests reached (lcov) and prints it by what the lines belong to. Exit status 1:
a part that must be tested has less than it should.
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEEDED = 0.95

# The first pattern that fits a path has the file. True: must have what is NEEDED.
GROUPS = (
    ("decoder", True, r"flowtable/(decode|link_header|checksum|bytes|segment|ignored|flow_key)\b"),
    ("state machine", True, r"flowtable/(handshake|attempt|ending|time)\b"),
    ("table", True, r"flowtable/"),
    ("request framing", True, r"ipc/request\b"),
    ("capture files", False, r"ring/(savefile|pcap|byte_input|inflater)"),
    ("filters", False, r"engine/filters/|ring/(capture|offline)_filter"),
    ("rest of ring", False, r"ring/"),
    ("rest of ipc", False, r"ipc/"),
    ("rest of engine", False, r"engine/"),
)

Lines = dict[int, int]  # how often each line was reached


def read(path: Path) -> dict[str, Lines]:
    files: dict[str, Lines] = defaultdict(dict)
    lines: Lines = {}
    for record in path.read_text().splitlines():
        kind, _, value = record.partition(":")
        if kind == "SF":
            lines = files[str(Path(value).resolve().relative_to(ROOT))]
        elif kind == "DA":
            number, count = value.split(",")[:2]
            lines[int(number)] = max(lines.get(int(number), 0), int(count))
    return files


def group_of(path: str) -> str:
    return next((name for name, _, pattern in GROUPS if re.match(pattern, path)), "other")


def runs(numbers: Iterable[int]) -> Iterator[str]:
    """Line numbers as `7 9-12`."""
    # Neighbours are as far from their places in the list.
    for _, run in itertools.groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0]):
        lines = [number for _, number in run]
        yield f"{lines[0]}-{lines[-1]}" if len(lines) > 1 else f"{lines[0]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--missed", action="store_true", help="name the lines not reached")
    parser.add_argument("lcov", type=Path)
    chosen = parser.parse_args()
    files = read(chosen.lcov)
    low = []
    for name, must, _ in GROUPS:
        of_group = {path: lines for path, lines in sorted(files.items()) if group_of(path) == name}
        total = sum(len(lines) for lines in of_group.values())
        reached = sum(count > 0 for lines in of_group.values() for count in lines.values())
        if total == 0:
            sys.exit(f"coverage: no lines of '{name}': have files moved? (GROUPS in {__file__})")
        share = reached / total
        print(f"{name:16} {len(of_group):3} files {reached:5} of {total:5} lines {share:7.1%}"
              + (f"  at least {NEEDED:.0%}" if must else ""))
        if must and share < NEEDED:
            low.append(name)
        if chosen.missed:
            for path, lines in of_group.items():
                numbers = [number for number, count in lines.items() if count == 0]
                if numbers:
                    print(f"    {path}: {' '.join(runs(numbers))}")
    if low:
        print(f"coverage: too few lines tested: {', '.join(low)}", file=sys.stderr)
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
