"""What the documents name in the tree is there."""

from __future__ import annotations

import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# `folder/file.ext`, `folder/`, `scripts/x --option`: what looks like a path of ours within backticks.
NAMED = re.compile(
    r"`((?:scripts|tests|docs|engine|ring|flowtable|ipc|bench|packaging|cmake|\.ci)/[\w./-]*)(?: [^`]*)?`")


class DocsTest(unittest.TestCase):
    def test_what_is_named_exists(self) -> None:
        for document in ("CONTRIBUTING.md", "CHANGELOG.md", "docs/fleet.md", "docs/runbooks.md"):
            for name in NAMED.findall((ROOT / document).read_text(encoding="utf-8")):
                with self.subTest(document, name=name):
                    self.assertTrue("NAME" in name or (ROOT / name).exists(), "there is no such file")

    def test_files_are_found_at_all(self) -> None:
        self.assertGreater(len(NAMED.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))), 20)


if __name__ == "__main__":
    unittest.main()
