"""Compiles and packages tcpeek twice, in two folders and without a cache: the packages are the same to the byte.

For `scripts/test --long`; it takes as long as two builds. `reproducible.py` prints what differs.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "live"))

import debs


def sums(folder: pathlib.Path, name: str) -> dict[str, str]:
    """Of the packages made below a folder of that name."""
    work = folder / name
    work.mkdir()
    os.environ["TMPDIR"] = str(work)
    debs.MAKING_S = 7200.0
    made = debs.make(folder / f"{name}-made")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in made if path.suffix == ".deb"}


def main() -> int:
    os.environ["CCACHE_DISABLE"] = "1"
    with tempfile.TemporaryDirectory(prefix="tcpeek-twice-") as folder:
        first = sums(pathlib.Path(folder), "one")
        second = sums(pathlib.Path(folder), "another-folder")
    for name in sorted(first.keys() | second.keys()):
        print(name, first.get(name), second.get(name))
    return 0 if first and first == second else 1


if __name__ == "__main__":
    sys.exit(main())
