"""A real Prometheus, asked in PromQL. Its data lie in a folder of the test's."""

from __future__ import annotations

import contextlib
import http.client
import json
import pathlib
import shutil
import subprocess
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any, Self

import lab

CONFIGURATION = """\
global: {{scrape_interval: 2s, scrape_timeout: 2s}}
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
    """Status, fields and body of a page on the namespace's loopback. Who was kept from asking for two seconds is closed
    by tcpeek, and comes again."""
    while True:
        begun = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=lab.DEADLINE_S)
        with contextlib.closing(connection), namespace.connect("127.0.0.1", port) as made:
            connection.sock = made
            try:
                connection.request("GET", path, headers=dict(fields or {}))
                reply = connection.getresponse()
                return reply.status, dict(reply.getheaders()), reply.read()
            except ConnectionError:
                if time.monotonic() - begun < 1:
                    raise


class Server:
    """A Prometheus by these options, running in the namespace inside the context and gone outside."""

    def __init__(
        self, namespace: lab.Namespace, port: int, folder: pathlib.Path, configuration: str, options: Sequence[str],
        environment: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self._namespace = namespace
        self._port = port
        self._folder = folder
        self._configuration = configuration
        self._options = options
        self._environment = [f"{name}={value}" for name, value in (environment or {}).items()]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        file = self._folder / "prometheus.yml"
        file.write_text(self._configuration, encoding="ascii")
        words = ["env", *self._environment, "prometheus", f"--config.file={file}", "--log.level=warn", *self._options]
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                self._namespace.command(*words), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            lab.wait_for(self.ready, "Prometheus is ready", 2 * lab.DEADLINE_S)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def ready(self) -> bool:
        time.sleep(0.1)
        assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
        try:
            return get(self._namespace, self._port, "/-/ready")[0] == 200
        except OSError:
            return False  # not there yet

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    @property
    def log(self) -> pathlib.Path:
        return self._folder / "log"

    def api(self, path: str, **arguments: str) -> Any:
        """The data of an answer; None while there is none."""
        try:
            status, _, body = get(self._namespace, self._port, f"/api/v1/{path}?{urllib.parse.urlencode(arguments)}")
        except OSError:
            return None
        assert status != 400, body
        return json.loads(body)["data"] if status == 200 else None

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series now."""
        data = self.api("query", query=expression)
        return [(each["metric"], float(each["value"][1])) for each in (data or {"result": []})["result"]]

    def value(self, expression: str) -> float | None:
        """Of the only series of an expression; None if there is none."""
        result = self.query(expression)
        assert len(result) < 2, (expression, result)
        return result[0][1] if result else None

    def exemplars(self, selector: str) -> list[dict[str, str]]:
        """Labels of those that are known of a series."""
        data = self.api("query_exemplars", query=selector, start="0", end="9999999999")
        return [exemplar["labels"] for series in data or [] for exemplar in series["exemplars"]]


class Prometheus(Server):
    """One that scrapes a target on the namespace's loopback, and has done so inside the context."""

    def __init__(self, network: lab.Lab, namespace: lab.Namespace, target_port: int, port: int) -> None:
        folder = network.folder / "prometheus"
        options = (
            f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
            "--enable-feature=exemplar-storage",
        )  # fmt: skip
        super().__init__(
            namespace, port, folder, CONFIGURATION.format(target=f"127.0.0.1:{target_port}"), options
        )

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            lab.wait_for(lambda: self.query("up") == [({"__name__": "up"}, 1.0)], "Prometheus has scraped", 2 * lab.DEADLINE_S)
        except BaseException:
            self.stop()
            raise
        return self

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Without the labels that the scrape adds."""
        result = super().query(expression)
        return [({k: v for k, v in labels.items() if k not in ("job", "instance")}, value) for labels, value in result]
