"""A real Prometheus that scrapes one target, asked in PromQL. Its data lie in a folder of the test's."""

from __future__ import annotations

import contextlib
import http.client
import json
import pathlib
import shutil
import subprocess
import urllib.parse
from collections.abc import Mapping
from typing import Any

import lab

CONFIGURATION = """\
global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
scrape_configs:
  - job_name: tcpeek
    static_configs: [{{targets: ['{target}']}}]
"""

Series = Mapping[str, str]


def available() -> None:
    """A probe for lab.require()."""
    for program in ("prometheus", "promtool"):
        if shutil.which(program) is None:
            raise lab.Unavailable(f"{program} is missing: install prometheus")


def check_metrics(text: bytes) -> str:
    """What promtool has to say against them; nothing is right."""
    done = subprocess.run(
        ("promtool", "check", "metrics"), input=text, capture_output=True, check=False, timeout=lab.DEADLINE_S
    )
    return (done.stdout + done.stderr).decode() + (f"status {done.returncode}" if done.returncode else "")


def get(
    namespace: lab.Namespace, port: int, path: str, fields: Mapping[str, str] | None = None
) -> tuple[int, Mapping[str, str], bytes]:
    """Status, fields and body of a page on the namespace's loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=lab.DEADLINE_S)
    with contextlib.closing(connection), namespace.connect("127.0.0.1", port) as made:
        connection.sock = made
        connection.request("GET", path, headers=dict(fields or {}))
        reply = connection.getresponse()
        return reply.status, dict(reply.getheaders()), reply.read()


class Prometheus:
    """Running on the namespace's loopback inside the context, gone outside."""

    def __init__(self, network: lab.Lab, namespace: lab.Namespace, target_port: int, port: int) -> None:
        self._namespace = namespace
        self._port = port
        self._folder = network.folder / "prometheus"
        self._target = f"127.0.0.1:{target_port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Prometheus:
        self._folder.mkdir()
        configuration = self._folder / "prometheus.yml"
        configuration.write_text(CONFIGURATION.format(target=self._target), encoding="ascii")
        words = [
            "prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}", "--enable-feature=exemplar-storage",
            "--log.level=warn",
        ]  # fmt: skip
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                self._namespace.command(*words), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            lab.wait_for(lambda: self.query("up") == [({"__name__": "up"}, 1.0)], "Prometheus has scraped", 30)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def log(self) -> pathlib.Path:
        return self._folder / "log"

    def _api(self, path: str, **arguments: str) -> Any:
        try:
            status, _, body = get(self._namespace, self._port, f"/api/v1/{path}?{urllib.parse.urlencode(arguments)}")
        except OSError:
            return None  # not there yet
        return json.loads(body)["data"] if status == 200 else None

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels, without those that the scrape adds, and value of each series."""
        data = self._api("query", query=expression)
        if data is None:
            return []
        result: list[tuple[dict[str, str], float]] = []
        for each in data["result"]:
            labels = {name: value for name, value in each["metric"].items() if name not in ("job", "instance")}
            result.append((labels, float(each["value"][1])))
        return result

    def value(self, expression: str) -> float | None:
        """Of the only series of an expression; None if there is none."""
        result = self.query(expression)
        assert len(result) < 2, (expression, result)
        return result[0][1] if result else None

    def exemplars(self, selector: str) -> list[dict[str, str]]:
        """Labels of those that are known of a series."""
        data = self._api("query_exemplars", query=selector, start="0", end="9999999999")
        return [exemplar["labels"] for series in data or [] for exemplar in series["exemplars"]]
