"""A client of nats-server with the standard library alone: the protocol's text, and JetStream by requests."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

DEADLINE_S = 20.0


@dataclass(frozen=True)
class Stored:
    """A message of a stream."""

    subject: str
    payload: bytes
    headers: dict[str, str] = field(default_factory=dict)
    sequence: int = 0

    @property
    def id(self) -> str:
        return self.headers.get("Nats-Msg-Id", "")

    @property
    def json(self) -> Any:
        return json.loads(self.payload)


class Client:
    """Connected from the moment that it is made."""

    def __init__(self, port: int, address: str = "127.0.0.1", connection: socket.socket | None = None,
                 login: Mapping[str, str] | None = None) -> None:  # fmt: skip
        self._socket = connection or socket.create_connection((address, port), DEADLINE_S)
        self._socket.settimeout(DEADLINE_S)
        self._file = self._socket.makefile("rb", buffering=1 << 20)
        assert self._file.readline().startswith(b"INFO")
        hello = {"verbose": False, "headers": True, "no_responders": True, "lang": "python", "version": "0", **(login or {})}
        self._send(f"CONNECT {json.dumps(hello)}\r\nPING\r\n".encode())
        reply = self._file.readline()
        if not reply.startswith(b"PONG"):
            raise ConnectionError(reply.decode().strip())
        self._subscriptions = 0
        # Of this client alone: a consumer goes on for a while after who read by it is gone.
        self._inbox = f"_INBOX.{secrets.token_hex(8)}"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def _send(self, text: bytes) -> None:
        self._socket.sendall(text)

    def _subscribe(self, subject: str) -> int:
        self._subscriptions += 1
        self._send(f"SUB {subject} {self._subscriptions}\r\n".encode())
        return self._subscriptions

    def message(self) -> tuple[Stored, str]:
        """The next one, and where a reply to it goes."""
        while True:
            words = self._file.readline().split()
            if not words:
                raise ConnectionError("the server has closed the connection")
            if words[0] == b"PING":
                self._send(b"PONG\r\n")
            elif words[0] == b"MSG":
                reply = words[3].decode() if len(words) == 5 else ""
                payload = self._file.read(int(words[-1]))
                self._file.read(2)
                return Stored(words[1].decode(), payload), reply
            elif words[0] == b"HMSG":
                reply = words[3].decode() if len(words) == 6 else ""
                headers, size = int(words[-2]), int(words[-1])
                data = self._file.read(size)
                self._file.read(2)
                lines = data[:headers].decode().split("\r\n")
                named = dict(line.split(": ", 1) if ": " in line else line.split(":", 1) for line in lines[1:] if ":" in line)
                if lines[0] != "NATS/1.0":
                    named["Status"] = lines[0].removeprefix("NATS/1.0").strip()
                return Stored(words[1].decode(), data[headers:], named), reply
            elif words[0] == b"-ERR":
                raise ConnectionError(b" ".join(words).decode())

    def request(self, subject: str, body: Any = None) -> Any:
        """JetStream's reply; an error in it is raised."""
        inbox = f"{self._inbox}.{self._subscriptions + 1}"
        number = self._subscribe(inbox)
        text = b"" if body is None else json.dumps(body).encode()
        self._send(f"PUB {subject} {inbox} {len(text)}\r\n".encode() + text + b"\r\n")
        reply, _ = self.message()
        self._send(f"UNSUB {number}\r\n".encode())
        if reply.headers.get("Status"):
            raise ConnectionError(reply.headers["Status"])
        parsed = reply.json
        if "error" in parsed:
            raise LookupError(parsed["error"]["description"])
        return parsed

    def create_stream(self, config: dict[str, Any]) -> Any:
        return self.request(f"$JS.API.STREAM.CREATE.{config['name']}", config)

    def stream(self, name: str = "TCPEEK") -> Any:
        return self.request(f"$JS.API.STREAM.INFO.{name}")

    def messages(self, subjects: str = "tcpeek.events.>", name: str = "TCPEEK") -> list[Stored]:
        """All that the stream has of these subjects, in its order."""
        return list(self.each_message(subjects, name))

    def each_message(self, subjects: str = "tcpeek.events.>", name: str = "TCPEEK") -> Iterator[Stored]:
        """The same one after the other, where there are too many for a list."""
        deliver = f"{self._inbox}.read.{self._subscriptions + 1}"
        number = self._subscribe(deliver)
        inbox = f"{self._inbox}.{self._subscriptions + 1}"
        self._subscribe(inbox)
        config = {"deliver_subject": deliver, "deliver_policy": "all", "ack_policy": "none",
                  "filter_subject": subjects, "flow_control": True, "idle_heartbeat": 5_000_000_000}  # fmt: skip
        text = json.dumps({"stream_name": name, "config": config}).encode()
        self._send(f"PUB $JS.API.CONSUMER.CREATE.{name} {inbox} {len(text)}\r\n".encode() + text + b"\r\n")
        found = 0
        expected: int | None = None
        while expected is None or found < expected:
            message, reply = self.message()
            if message.subject == inbox:  # messages may come before it
                made = message.json
                if "error" in made:
                    raise LookupError(made["error"]["description"])
                expected = made["num_pending"] + made["delivered"]["consumer_seq"]
            elif message.headers.get("Status", "").startswith("100"):
                if reply:  # the server waits for this before it sends more
                    self._send(f"PUB {reply} 0\r\n\r\n".encode())
            elif reply.startswith("$JS.ACK."):
                found += 1
                yield Stored(message.subject, message.payload, message.headers, int(reply.split(".")[5]))
        self._send(f"UNSUB {number}\r\n".encode())
