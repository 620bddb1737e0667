"""What packaging/prometheus has and scripts/mixin makes of it, for tests to read."""

from __future__ import annotations

import functools
import json
import pathlib
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import live  # noqa: F401
import lab

SOURCES = lab.ROOT / "packaging" / "prometheus"
DEADLINE_S = 300.0


def available() -> None:
    """A probe for lab.require()."""
    for program, package in (("jsonnet", "jsonnet"), ("node", "nodejs"), ("npm", "npm"), ("promtool", "prometheus")):
        if shutil.which(program) is None:
            raise lab.Unavailable(f"{program} is missing: install {package}")


def run(*words: str, folder: pathlib.Path | None = None) -> str:
    """What a command prints that has to succeed."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def make(folder: pathlib.Path, changes: str = "") -> None:
    """Rules, alerts and dashboards, with these changes of _config."""
    words = [str(lab.ROOT / "scripts" / "mixin"), "-o", str(folder)]
    if changes:
        file = folder / "changes.libsonnet"
        file.write_text(changes, encoding="ascii")
        words.append(str(file))
    run(*words)


def evaluated(member: str) -> Any:
    """A member of the mixin as it is shipped."""
    return json.loads(run("jsonnet", "-e", f"(import '{SOURCES / 'mixin' / 'mixin.libsonnet'}').{member}"))


@functools.cache
def alerts() -> list[Any]:
    return [rule for group in evaluated("prometheusAlerts")["groups"] for rule in group["rules"]]


def dashboards(folder: pathlib.Path) -> dict[str, Any]:
    """By their names, out of where they were made."""
    found = sorted((folder / "dashboards").glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in found}


def targets(dashboard: Any) -> Iterator[tuple[str, Any]]:
    """The queries of its panels, each with its panel's title."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target


def configuration(name: str, *replacements: tuple[str, str]) -> str:
    """A shipped one, with what an installation has to set for itself set for the test."""
    text = (SOURCES / name).read_text(encoding="ascii")
    for old, new in replacements:
        assert old in text, f"{name} has no {old}"
        text = text.replace(old, new)
    return text
