"""The page of --web and of --report, in a real browser: what it shows of real traffic, by keyboard, in both
themes, and that it asks nobody else. Pictures of it, where TCPEEK_PICTURES names a folder for them."""

from __future__ import annotations

import ipaddress
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "replay"))

import browser
import lab
import prometheus
import saved
from browser import Browser
from lab import HOST_V4, HOST_V6, Lab
from monitor import Monitor

PORT = 9475
PAGE = f"http://127.0.0.1:{PORT}/"
LISTEN = ("--metrics-listen", f"127.0.0.1:{PORT}", "--web")
EVIL_NAME = "</script><img src=x onerror=document.title=1>"
PICTURES = os.environ.get("TCPEEK_PICTURES")
CAPTURES = lab.ROOT / "tests" / "captures"


def setUpModule() -> None:
    lab.require(browser.available)


def picture(page: Browser, name: str, width: int, height: int) -> None:
    page.resize(width, height)
    if PICTURES:
        page.wait("drawn anew", lambda: page.run("return innerWidth") == width)
        page.screenshot(str(pathlib.Path(PICTURES) / name))


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(Lab())

    def succeed(self, times: int, port: int = 443) -> None:
        with self.network.host.listen(HOST_V4, port) as listener:
            for _ in range(times):
                with self.network.peer.connect(HOST_V4, port):
                    listener.accept()[0].close()

    def be_refused(self, times: int, address: str = HOST_V4, port: int = 5432) -> None:
        for _ in range(times):
            with self.assertRaises(ConnectionRefusedError):
                self.network.peer.connect(address, port)

    def assert_asked_nobody_else(self, page: Browser) -> None:
        self.assertEqual([url for url in page.requested() if not url.startswith(PAGE)], [])
        self.assertEqual(page.complaints(), [])

    def assert_fits(self, page: Browser) -> None:
        self.assertLessEqual(page.run("return document.documentElement.scrollWidth - innerWidth"), 0)


class Live(Case):
    def test_a_failing_service_is_shown_explained_and_told_of(self) -> None:
        with Monitor(self.network, *LISTEN, f"{EVIL_NAME}:RX@%:5432"), Browser(self.network.host) as page:
            page.prefer("light")
            page.resize(1280, 1400)
            self.succeed(20)
            self.be_refused(5)
            page.open(PAGE)
            first = "#services tbody tr:first-child"
            page.wait("the failing one first", lambda: f"{HOST_V4}:5432" in page.text(first))
            self.assertIn("never worked", page.text(first))
            self.assertIn("postgresql", page.text(first), "the name that services(5) gives")
            page.wait("the filter's name as text", lambda: EVIL_NAME in page.text("#series"))
            self.assertEqual(page.run("return document.images.length"), 0)
            self.assertTrue(page.run("return document.querySelector('#doubts').hidden"), "nothing was lost")

            self.assertEqual(page.text("#live tbody"), "", "what was before is not live")
            self.be_refused(3, HOST_V6, 81)
            page.wait("live failures", lambda: page.text("#live tbody").count(f"[{HOST_V6}]:81") == 3)
            self.assertIn("refused", page.text("#live tbody"))

            self.by_keyboard(page)
            self.in_both_themes(page)
            self.assert_asked_nobody_else(page)

    def by_keyboard(self, page: Browser) -> None:
        """Tab to the first service, Enter opens it, and the focus stays while figures change."""
        focused = "return document.activeElement.closest('#services button')?.innerText ?? ''"
        for _ in range(30):
            page.press("\ue004")
            if page.run(focused):
                break
        self.assertIn("5432", page.run(focused))
        page.press("\ue007")
        page.wait("the finding", lambda: "Nobody listens" in page.text("#services .detail:not([hidden])"))
        self.assertIn("ss -ltnp 'sport = :5432'", page.text("#services .detail:not([hidden])"))
        before = page.text("#attempts")
        self.succeed(5)
        page.wait("new figures", lambda: page.text("#attempts") != before)
        self.assertIn("5432", page.run(focused))

    def in_both_themes(self, page: Browser) -> None:
        background = "return getComputedStyle(document.body).backgroundColor"
        theme = "return document.documentElement.dataset.theme"
        picture(page, "web.png", 1280, 1400)
        light = page.run(background)
        page.prefer("dark")
        page.wait("dark", lambda: page.run(theme) == "dark")
        self.assertNotEqual(page.run(background), light)
        picture(page, "web-dark.png", 1280, 1400)
        picture(page, "web-narrow.png", 400, 1700)
        self.assert_fits(page)
        page.run("document.getElementById('theme').focus()")
        page.press("\ue00d")
        page.wait("light again", lambda: page.run(theme) == "light")

    def test_it_goes_on_after_a_restart(self) -> None:
        with Browser(self.network.host) as page:
            with Monitor(self.network, *LISTEN):
                page.open(PAGE)
                page.wait("live", lambda: page.text("#feed") == "live")
            page.wait("it says that nobody answers", lambda: page.text("#state").startswith("no reply"))
            with Monitor(self.network, *LISTEN):
                page.wait("updated", lambda: page.text("#state").startswith("updated"))
                page.wait("watched again", lambda: page.text("#feed") in ("live", "tcpeek was restarted"))
                self.be_refused(2)
                page.wait("a failure", lambda: page.text("#live tbody").count(":5432") == 2)

    def test_pages_of_other_sites_get_nothing(self) -> None:
        with Monitor(self.network, *LISTEN):
            for fields in ({"Host": "evil.example"}, {"Host": f"evil.example:{PORT}"}, {"Host": ""}):
                for path in ("/", "/api/stats", "/api/watch"):
                    status, _, body = prometheus.get(self.network.host, PORT, path, fields)
                    self.assertEqual((status, b"{" in body), (403, False), (fields, path))
            status, fields_got, _ = prometheus.get(self.network.host, PORT, "/api/stats")
            self.assertEqual(status, 200)
            self.assertNotIn("Access-Control-Allow-Origin", fields_got)
            self.assertEqual(
                prometheus.get(self.network.host, PORT, "/api/stats", {"Sec-Fetch-Site": "cross-site"})[0], 403)


class Report(Case):
    def write(self, *options: str) -> tuple[pathlib.Path, str]:
        report = self.network.folder / "out.html"
        done = subprocess.run((str(lab.binary()), *options, "--report", str(report)),
                              capture_output=True, text=True, check=True, timeout=60)
        return report, done.stdout + done.stderr

    def test_a_report_opens_offline(self) -> None:
        report, said = self.write("-r", str(CAPTURES / "zeek__rotation.pcap"), f"{EVIL_NAME}:RX@%:%")
        self.assertIn(f"the report is in {report}", said)
        self.assertEqual(list(self.network.folder.glob("out.html*")), [report], "nothing beside it")
        with Browser(self.network.peer) as page:
            page.prefer("light")
            page.open(report.as_uri())
            page.wait("the file's name", lambda: "zeek__rotation.pcap" in page.text("#title"))
            self.assertIn("never worked", page.text("#services tbody tr:first-child"))
            self.assertIn("does not answer", page.text("#explanation"))
            self.assertEqual(int(page.text("#failures")), page.text("#live tbody").count("no answer"))
            self.assertIn(EVIL_NAME, page.text("#series"))
            self.assertEqual(page.run("return document.images.length"), 0)
            self.assertTrue(page.run("return document.querySelector('#doubts').hidden"), "nothing was lost")
            picture(page, "report.png", 1280, 1100)
            self.assertEqual([url for url in page.requested() if url != report.as_uri()], [])
            self.assertEqual(page.complaints(), [])

    def test_names_of_files_and_interfaces_do_nothing(self) -> None:
        name = "<script><!--<img src=x onerror=document.title=1>'\"\n\u2028.pcapng"
        path = self.network.folder / name
        path.write_bytes(saved.pcapng(saved.refusal(4000), [(EVIL_NAME, saved.ETHERNET)]))
        report, said = self.write("-r", str(path))
        data = json.loads(data_in(report))
        self.assertEqual(data["files"], [name])
        self.assertEqual([failure["interface"] for failure in data["failures"]], [EVIL_NAME])
        self.assertIn("\\x0a", said, "one line for a terminal, too")
        with Browser(self.network.peer) as page:
            page.open(report.as_uri())
            page.wait("the failure", lambda: "refused" in page.text("#live tbody"))
            self.assertIn("<script><!--<img src=x", page.text("#title"))
            self.assertEqual(page.run("return document.images.length"), 0)
            self.assertIn("pcapng", page.run("return document.title"))
            self.assertEqual([url for url in page.requested() if url != report.as_uri()], [])
            self.assertEqual(page.complaints(), [])

    def test_redacted_no_address_is_left(self) -> None:
        files = ("zeek__rotation.pcap", "zeek__ipv6.pcap", "icmp-ttl-exceeded.pcap")
        reading = [word for name in files for word in ("-r", str(CAPTURES / name))]
        reading += ["--icmp", "--explain", "db-10.0.0.2:TX@10.0.0.2:%"]
        plain, said = self.write(*reading, "--output", "json")
        originals = addresses_in(data_in(plain)) | addresses_in(said)
        self.assertGreater(len(originals), 6)
        for output in ("json", "text"):
            redacted, told = self.write(*reading, "--redact", "--output", output)
            for text in (data_in(redacted), told):
                self.assertEqual(addresses_in(text) & originals, set())
                self.assertIn("240.0.", text)
                self.assertIn("100:0:", text)
            self.assertNotIn("10.0.0.2", redacted.read_text(), "nor elsewhere in the page")
        counts = [json.loads(data_in(page))["stats"]["totals"] for page in (plain, redacted)]
        self.assertEqual(counts[0], counts[1])

    def test_what_cannot_be_written_is_one_line(self) -> None:
        done = subprocess.run(
            (str(lab.binary()), "-q", "-r", str(CAPTURES / "zeek__rotation.pcap"), "--report", "/nowhere/out.html"),
            capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn("--report: cannot create a file beside", done.stderr)


def data_in(report: pathlib.Path) -> str:
    found = re.search(r'<script type="application/json" id="report">(.*?)</script>', report.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def addresses_in(text: str) -> set[str]:
    """In one notation, those that are not all zeros."""
    found = set()
    for word in re.findall(r"[0-9a-fA-F:.]{2,}", text):
        for candidate in (word, word.rstrip(":."), word.rsplit(":", 1)[0], word.split(":", 1)[0]):
            try:
                address = ipaddress.ip_address(candidate)
            except ValueError:
                continue
            if not address.is_unspecified:
                found.add(str(address))
    return found


if __name__ == "__main__":
    unittest.main()
