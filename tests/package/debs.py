"""The packages under test, made by scripts/package out of the release build that is there; and one as 2.0 was."""

from __future__ import annotations

import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import lab

SCRIPT = lab.ROOT / "scripts" / "package"
BUILD = pathlib.Path(os.environ.get("TCPEEK_BUILD", lab.ROOT / "build" / "release"))
OLD = pathlib.Path(__file__).with_name("tcpeek-2.0")
MAKING_S = 600.0
VERSION = re.findall(r"^project\(tcpeek VERSION (\S+)", (lab.ROOT / "CMakeLists.txt").read_text(encoding="utf-8"), re.M)[0]


def make(output: pathlib.Path, *options: str) -> list[pathlib.Path]:
    """The files that it made, and named."""
    done = subprocess.run(
        [SCRIPT, *options, "--output", str(output)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, check=False, timeout=MAKING_S,
    )  # fmt: skip
    if done.returncode != 0:
        raise AssertionError(f"scripts/package: {done.returncode}: {done.stderr}")
    return [pathlib.Path(line) for line in done.stdout.splitlines()]


@functools.cache
def prebuilt() -> list[pathlib.Path]:
    """Once for all tests of a file."""
    return make(lab.ROOT / "build" / "package-test", "--prebuilt", str(BUILD))


def named(pattern: str) -> pathlib.Path:
    (found,) = [path for path in prebuilt() if re.fullmatch(pattern, path.name)]
    return found


def package() -> pathlib.Path:
    return named(rf"tcpeek_{re.escape(VERSION)}-\d+_\w+\.deb")


def depends(deb: pathlib.Path) -> list[str]:
    """Names of the packages that it needs, of alternatives the first."""
    field = lab.run("dpkg-deb", "--field", str(deb), "Depends")
    return sorted({re.split(r"[ (|:]", one.strip())[0] for one in field.split(",")})


@functools.cache
def of_2_0() -> pathlib.Path:
    """Units, user and configuration as 2.0 had them, the latter a conffile; the program is the present one."""
    deb = lab.ROOT / "build" / "package-2.0.deb"
    with tempfile.TemporaryDirectory() as made:
        stage = pathlib.Path(made)
        for source, target in (
            ("tcpeek.default", "etc/default/tcpeek"),
            ("tcpeek.service", "lib/systemd/system/tcpeek.service"),
            ("tcpeek@.service", "lib/systemd/system/tcpeek@.service"),
            ("tcpeek.sysusers", "usr/lib/sysusers.d/tcpeek.conf"),
        ):
            (stage / target).parent.mkdir(parents=True, exist_ok=True)
            # What 2.0 allowed its own program is too little for the present one, which stands in for it.
            lines = (OLD / source).read_text(encoding="utf-8").splitlines(keepends=True)
            text = "".join(line for line in lines if not line.startswith("SystemCallFilter="))
            (stage / target).write_text(text, encoding="utf-8")
        lab.run("dpkg-deb", "--extract", str(package()), str(stage / "new"))
        (stage / "usr/sbin").mkdir(parents=True)
        shutil.move(stage / "new/usr/sbin/tcpeek", stage / "usr/sbin/tcpeek")
        shutil.rmtree(stage / "new")
        control = stage / "DEBIAN"
        control.mkdir()
        architecture = lab.run("dpkg-deb", "--field", str(package()), "Architecture").strip()
        (control / "control").write_text(
            f"Package: tcpeek\nVersion: 2.0\nArchitecture: {architecture}\nMaintainer: tests <tests@localhost>\n"
            "Description: tcpeek 2.0\n", encoding="utf-8")  # fmt: skip
        (control / "conffiles").write_text("/etc/default/tcpeek\n", encoding="utf-8")
        postinst = control / "postinst"
        postinst.write_text("#!/bin/sh\nset -e\nsystemd-sysusers\nsystemctl daemon-reload\n", encoding="utf-8")
        postinst.chmod(0o755)
        command = ["dpkg-deb", "-Znone", "--root-owner-group", "--build", str(stage), str(deb)]
        subprocess.run(command, check=True, capture_output=True, timeout=MAKING_S)
    return deb
