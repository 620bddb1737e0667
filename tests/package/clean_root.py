"""A Debian that has nothing but its essential packages and what a package depends on, as a folder.

mmdebstrap makes it, from the mirrors that this machine's apt knows. It is kept in build/, as that takes a minute, and
made anew when other packages are wanted; nothing is ever installed into it: tests lay an overlay above.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
from collections.abc import Sequence

import lab

SUITE = "bookworm"
FOLDER = lab.ROOT / "build" / "package-root"
MAKING_S = 800.0


def get(packages: Sequence[str]) -> pathlib.Path:
    """Raises lab.Unavailable where none can be made."""
    if shutil.which("mmdebstrap") is None:
        raise lab.Unavailable("mmdebstrap is missing: run scripts/setup")
    wanted = "\n".join([SUITE, *packages])
    named = FOLDER.with_suffix(".packages")
    if FOLDER.is_dir() and named.exists() and named.read_text(encoding="utf-8") == wanted:
        return FOLDER
    named.unlink(missing_ok=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    options = ["--variant=minbase", "--format=directory", f"--include={','.join(packages)}", "--quiet",
               "--skip=cleanup/apt/lists"]  # fmt: skip
    done = subprocess.run(
        ["nice", "mmdebstrap", *options, SUITE, str(FOLDER)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False, timeout=MAKING_S, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    if done.returncode != 0:
        shutil.rmtree(FOLDER, ignore_errors=True)
        raise lab.Unavailable(f"mmdebstrap could not make a clean root: {done.stdout.strip()[-2000:]}")
    named.write_text(wanted, encoding="utf-8")
    return FOLDER
