"""The rules of the house that a compiler does not check: who may include whom, how large a file may
grow, what a header must and must not hold. The first class holds them against this tree, the others
hold the checker against small trees that break one rule each.
"""

from __future__ import annotations

import re
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# What each folder may include besides itself.
MAY_INCLUDE: dict[str, frozenset[str]] = {
    "ring": frozenset(),
    "flowtable": frozenset(),
    "ipc": frozenset(),
    "engine": frozenset({"ring", "flowtable", "ipc"}),
    "tests": frozenset({"ring", "flowtable", "ipc", "engine"}),
    "bench": frozenset({"ring", "flowtable", "ipc", "engine", "tests"}),
}
# Within engine/: what each folder may include besides itself, folders and single headers. What lies
# directly in engine/ composes the program and may include everything. docs/architecture.md has the
# same table with its reasons.
ENGINE_MAY_INCLUDE: dict[str, frozenset[str]] = {
    "base": frozenset({"ring/descriptor.h"}),
    "process": frozenset({"engine/base", "ring/descriptor.h"}),
    "filters": frozenset({"engine/base", "flowtable"}),
    "config": frozenset({"engine/base", "engine/filters", "flowtable", "ring/steering.h"}),
    "pipeline": frozenset({
        "engine/base", "engine/filters", "flowtable", "ring/steering.h", "ring/packet_socket.h",
        "engine/explain/explain_input.h", "ipc/snapshot.h", "ipc/histogram.h", "ipc/explain.h",
        "ipc/queue_stats.h", "ipc/top.h", "ipc/service_metrics.h"}),
    "explain": frozenset({"engine/base", "ipc"}),
    "output": frozenset({
        "engine/base", "engine/filters", "engine/pipeline", "flowtable/outcome.h", "ring/descriptor.h",
        "ipc"}),
    "serve": frozenset({"engine/base", "ipc"}),
    "alerts": frozenset({"engine/base", "ipc"}),
    # A program of its own.
    "forward": frozenset({
        "engine/base", "engine/output/log.h", "engine/output/line_writer.h",
        "engine/process/termination_signals.h", "ring/descriptor.h", "ipc"}),
    "live": frozenset({
        "engine/base", "engine/process", "engine/filters", "engine/pipeline", "engine/explain",
        "engine/output/log.h", "engine/output/line_writer.h", "ring", "flowtable", "ipc"}),
    "replay": frozenset({
        "engine/base", "engine/pipeline", "engine/explain/explain_input.h", "engine/output/line_writer.h",
        "ring", "flowtable"}),
}
# Every header of these is named there, and used by something that is no test.
ARCHITECTURE = "docs/architecture.md"
ROOMS = ("ring", "flowtable", "ipc", "engine")

# Libraries kept in one room, so that the rest of the program does not depend on them.
LIBRARY_ROOM = {"boost/": "ipc", "pcap.h": "ring", "pcap/": "ring"}

HEADER_LINES = 250
SOURCE_LINES = 400

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# At the margin: what is inside a function body is indented, and stays inside.
USING_NAMESPACE = re.compile(r"^using\s+namespace\b")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
# A word alone helps nobody: what is to be done, and when or why not yet.
REASONED = re.compile(r"\bTODO(\([^)]+\))?:( \S+){3,}")
LINKED_ROOM = re.compile(r"\btcpeek_(ring|flowtable|ipc|engine)\b")


def check(root: Path) -> list[str]:
    """Every broken rule below `root`, as "file:line: what is wrong"."""
    complaints: list[str] = []
    for room in MAY_INCLUDE:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in (".h", ".cc"):
                complaints += check_file(root, room, path)
        complaints += check_links(root, room)
    complaints += check_headers(root)
    return complaints


def check_headers(root: Path) -> Iterator[str]:
    """Headers that the architecture does not name, or that nothing but tests includes."""
    page = root / ARCHITECTURE
    named = set(re.findall(r"`([\w/]+\.h)`", page.read_text(encoding="utf-8"))) if page.is_file() else set()
    used: set[str] = set()
    for room in (*ROOMS, "bench"):
        for path in (root / room).rglob("*"):
            if path.suffix not in (".h", ".cc"):
                continue
            own = str(path.relative_to(root).with_suffix(".h"))
            includes = (INCLUDE.match(line) for line in path.read_text(encoding="utf-8").splitlines())
            used |= {match[2] for match in includes if match and match[2] != own}
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.h")):
            name = str(path.relative_to(root))
            if name.removeprefix(f"{room}/") not in named:
                yield f"{name}:1: {ARCHITECTURE} does not name it"
            if name not in used and path.stem != "main":
                yield f"{name}:1: nothing but tests includes it"


def may_include(room: str, folder: str, target: str) -> bool:
    """`folder` is that of the including file, within engine/; empty outside of it and directly in it."""
    if room == "engine" and folder:
        allowed = ENGINE_MAY_INCLUDE.get(folder, frozenset()) | {f"engine/{folder}"}
        return any(target == name or target.startswith(name + "/") for name in allowed)
    top = target.split("/")[0]
    return top == room or top in MAY_INCLUDE[room]


def check_file(root: Path, room: str, path: Path) -> Iterator[str]:
    name = path.relative_to(root)
    lines = path.read_text(encoding="utf-8").splitlines()
    limit = HEADER_LINES if path.suffix == ".h" else SOURCE_LINES
    if len(lines) > limit:
        yield f"{name}:{limit + 1}: {len(lines)} lines, {limit} are allowed: split it"
    for number, line in enumerate(lines, 1):
        for complaint in check_line(root, room, path, line):
            yield f"{name}:{number}: {complaint}"
    if path.suffix == ".h":
        if not lines or not lines[0].startswith(("//", "/*")):
            yield f"{name}:1: does not begin with a comment that tells what it is"
        if lines.count("#pragma once") != 1:
            yield f"{name}:1: needs #pragma once, once"


def check_line(root: Path, room: str, path: Path, line: str) -> Iterator[str]:
    include = INCLUDE.match(line)
    if include:
        yield from check_include(root, room, path, include[2], quoted=include[1] == '"')
    if path.suffix == ".h" and USING_NAMESPACE.match(line):
        yield "using namespace in a header reaches everyone who includes it"
    if UNFINISHED.search(line) and not REASONED.search(line):
        yield "write it as 'TODO: what is to be done and why not yet', or do it"


def check_include(root: Path, room: str, path: Path, target: str, quoted: bool) -> Iterator[str]:
    top = target.split("/")[0]
    if not quoted:
        if top in MAY_INCLUDE and (root / target).is_file():
            yield f"<{target}> is ours: include it with quotes"
        for library, home in LIBRARY_ROOM.items():
            if target.startswith(library) and room in ("ring", "flowtable", "ipc", "engine"):
                if room != home:
                    yield f"<{target}> is for {home} alone"
        return
    if not (root / target).is_file() or ".." in target:
        yield f'"{target}" is no path from the root of the project'
    elif not target.endswith(".h"):
        yield f'"{target}" is no header'
    elif Path(target).stem == "main":
        yield "nothing includes main"
    else:
        inner = path.relative_to(root / room).parts
        folder = inner[0] if len(inner) > 1 else ""
        if not may_include(room, folder, target):
            if room == "engine":
                yield f"engine/{folder} may not include {target}"
            else:
                yield f"{room} may not include {top}"


def check_links(root: Path, room: str) -> Iterator[str]:
    """A room that links another could use it without including it."""
    path = root / room / "CMakeLists.txt"
    if room in ("tests", "bench") or not path.is_file():
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for other in LINKED_ROOM.findall(line.split("#")[0]):
            if other != room and other not in MAY_INCLUDE[room]:
                yield f"{room}/CMakeLists.txt:{number}: {room} may not link {other}"


class ThisTreeTest(unittest.TestCase):
    def test_keeps_the_rules(self) -> None:
        complaints = check(ROOT)
        self.assertEqual(complaints, [], "\n" + "\n".join(complaints))

    def test_is_there(self) -> None:
        for room in MAY_INCLUDE:
            with self.subTest(room):
                self.assertTrue(any((ROOT / room).rglob("*.cc")), "no sources found to check")


class CheckerTest(unittest.TestCase):
    GOOD_HEADER = "// What it is.\n#pragma once\n"

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for room in MAY_INCLUDE:
            self.write(f"{room}/a.h", self.GOOD_HEADER)
        self.write("bench/uses.cc", "".join(f'#include "{room}/a.h"\n' for room in ROOMS))
        self.write(ARCHITECTURE, "`a.h` `b.h` `deep/er/b.h` `main.h`")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def complaints_about(self, name: str, text: str) -> list[str]:
        self.write(name, text)
        if name.endswith(".h"):
            self.write("bench/uses_it.cc", f'#include "{name}"\n')
        found = check(self.root)
        (self.root / name).unlink()
        (self.root / "bench/uses_it.cc").unlink(missing_ok=True)
        return found

    def assert_complaint(self, name: str, text: str, words: str) -> None:
        found = self.complaints_about(name, text)
        self.assertEqual(len(found), 1, found)
        self.assertIn(words, found[0])
        self.assertTrue(found[0].startswith(name + ":"), found[0])

    def test_who_may_include_whom(self) -> None:
        rooms = ("ring", "flowtable", "ipc", "engine", "tests", "bench")
        allowed = {(room, room) for room in rooms}
        allowed |= {("engine", room) for room in rooms[:3]}
        allowed |= {("tests", room) for room in rooms[:4]}
        allowed |= {("bench", room) for room in rooms[:5]}
        for room in rooms:
            for other in rooms:
                with self.subTest(room=room, other=other):
                    text = f'#include "{other}/a.h"\n'
                    if (room, other) in allowed:
                        self.assertEqual(self.complaints_about(f"{room}/b.cc", text), [])
                    else:
                        self.assert_complaint(f"{room}/b.cc", text, f"may not include {other}")

    def test_who_may_include_whom_inside_engine(self) -> None:
        folders = sorted(ENGINE_MAY_INCLUDE)
        headers = [f"engine/{folder}/a.h" for folder in folders] + [
            "engine/a.h", "engine/output/log.h", "engine/output/line_writer.h", "ring/a.h",
            "ring/descriptor.h", "ring/steering.h", "ring/packet_socket.h", "flowtable/a.h",
            "flowtable/outcome.h", "ipc/a.h", "ipc/snapshot.h", "ipc/histogram.h"]
        for header in headers:
            self.write(header, self.GOOD_HEADER)
        self.write("bench/uses.cc", "".join(f'#include "{header}"\n' for header in headers))
        self.write(ARCHITECTURE, " ".join(f"`{header.split('/', 1)[1]}`" for header in headers))
        allowed = dict.fromkeys(folders, 0)
        for folder in folders:
            for header in headers:
                with self.subTest(folder=folder, header=header):
                    found = self.complaints_about(f"engine/{folder}/b.cc", f'#include "{header}"\n')
                    if found:
                        self.assertIn(f"engine/{folder} may not include {header}", found[0])
                    else:
                        allowed[folder] += 1
        self.assertEqual(self.complaints_about("engine/b.cc", '#include "engine/live/a.h"\n'), [])
        self.assertEqual(allowed, {
            "alerts": 5, "base": 2, "config": 6, "explain": 5, "filters": 4, "forward": 8, "live": 17, "output": 11, "pipeline": 9,
            "process": 3, "replay": 10, "serve": 5})

    def test_headers_are_named_and_used(self) -> None:
        self.write("ring/c.h", self.GOOD_HEADER)
        found = check(self.root)
        self.assertEqual(found, [
            "ring/c.h:1: docs/architecture.md does not name it",
            "ring/c.h:1: nothing but tests includes it"])
        self.write(ARCHITECTURE, "`a.h` `c.h`")
        self.write("ring/c.cc", '#include "ring/c.h"\n')
        self.write("tests/c.cc", '#include "ring/c.h"\n')
        self.assertEqual(check(self.root), ["ring/c.h:1: nothing but tests includes it"])
        self.write("ring/d.cc", '#include "ring/c.h"\n')
        self.assertEqual(check(self.root), [])

    def test_headers_deep_in_a_room_are_checked_too(self) -> None:
        text = self.GOOD_HEADER + '#include "engine/a.h"\n'
        self.assert_complaint("ring/deep/er/b.h", text, "may not include")

    def test_an_include_is_seen_however_it_is_spaced(self) -> None:
        self.assert_complaint("ring/b.cc", ' #  include"ipc/a.h"\n', "may not include ipc")

    def test_the_line_is_named(self) -> None:
        found = self.complaints_about("ring/b.cc", '\n\n#include "ipc/a.h"\n')
        self.assertTrue(found[0].startswith("ring/b.cc:3: "), found)

    def test_an_include_in_a_comment_is_none(self) -> None:
        self.assertEqual(self.complaints_about("ring/b.cc", '// #include "ipc/a.h"\n'), [])

    def test_own_headers_are_included_by_their_path_from_the_root(self) -> None:
        for target in ("a.h", "./a.h", "../ring/a.h", "ring/../ring/a.h", "ring/none.h"):
            with self.subTest(target):
                self.assert_complaint("ring/b.cc", f'#include "{target}"\n', "no path from the root")
        self.assert_complaint("ring/b.cc", "#include <ring/a.h>\n", "with quotes")

    def test_nothing_includes_main_or_a_source(self) -> None:
        self.write("engine/main.h", self.GOOD_HEADER)
        self.write("engine/run.cc", "\n")
        for room in ("engine", "tests", "bench"):
            self.assert_complaint(f"{room}/b.cc", '#include "engine/main.h"\n', "main")
            self.assert_complaint(f"{room}/b.cc", '#include "engine/run.cc"\n', "no header")

    def test_libraries_stay_in_their_room(self) -> None:
        for target, home in (("boost/asio.hpp", "ipc"), ("pcap/pcap.h", "ring"), ("pcap.h", "ring")):
            for room in ("ring", "flowtable", "ipc", "engine"):
                with self.subTest(target, room=room):
                    text = f"#include <{target}>\n"
                    if room == home:
                        self.assertEqual(self.complaints_about(f"{room}/b.cc", text), [])
                    else:
                        self.assert_complaint(f"{room}/b.cc", text, f"for {home} alone")

    def test_rooms_link_only_what_they_may_include(self) -> None:
        self.assert_complaint("ipc/CMakeLists.txt", "tcpeek_room(ipc tcpeek_ring)\n", "may not link ring")
        self.assertEqual(self.complaints_about("ipc/CMakeLists.txt", "tcpeek_room(ipc) # tcpeek_ring\n"), [])
        self.assertEqual(
            self.complaints_about("engine/CMakeLists.txt", "tcpeek_room(engine tcpeek_ring)\n"), [])

    def test_the_size_of_files(self) -> None:
        self.assertEqual(self.complaints_about("ring/b.h", self.GOOD_HEADER + "\n" * 248), [])
        self.assert_complaint("ring/b.h", self.GOOD_HEADER + "\n" * 249, "251 lines, 250 are allowed")
        self.assertEqual(self.complaints_about("ring/b.cc", "\n" * 400), [])
        self.assert_complaint("ring/b.cc", "\n" * 401, "401 lines, 400 are allowed")

    def test_a_header_begins_with_what_it_is(self) -> None:
        self.assert_complaint("ring/b.h", "#pragma once\n// Late.\n", "begin with a comment")
        self.assert_complaint("ring/b.h", "// What it is.\n", "#pragma once")
        self.assert_complaint("ring/b.h", self.GOOD_HEADER + "#pragma once\n", "#pragma once")

    def test_using_namespace(self) -> None:
        for text in ("using namespace std;\n", "using  namespace std::literals;\n"):
            self.assert_complaint("ring/b.h", self.GOOD_HEADER + text, "using namespace")
            self.assertEqual(self.complaints_about("ring/b.cc", text), [])
            inside = self.GOOD_HEADER + f"inline void f() {{\n  {text}}}\n"
            self.assertEqual(self.complaints_about("ring/b.h", inside), [])

    def test_unfinished_work_says_why(self) -> None:
        for text in ("// TODO\n", "// TODO: later\n", "// FIXME: this does not work yet\n", "// XXX\n"):
            with self.subTest(text):
                self.assert_complaint("ring/b.cc", text, "TODO: what is to be done")
        for text in ("// TODO: ask for more once Linux 6.16 is common\n", "// TODOS are fine\n",
                     "// TODO(issue 3): count these as well\n"):
            self.assertEqual(self.complaints_about("ring/b.cc", text), [])


if __name__ == "__main__":
    unittest.main()
