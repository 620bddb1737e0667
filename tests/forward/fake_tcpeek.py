"""What answers WATCH as tcpeek does, with events of a test's own: numbered, a bounded ring of those kept, gaps for
what has left it, a boot that changes on restart. A thread serves all who watch.

As a program it is a load: python3 fake_tcpeek.py SOCKET RATE SECONDS [FAILURES_PERCENT]
"""

from __future__ import annotations

import collections
import json
import pathlib
import re
import secrets
import select
import socket
import sys
import threading
import time

PIECE = 64 << 10


def outcome(boot: str, seq: int, result: str = "success", server: str = "192.0.2.1", port: int = 443) -> str:
    """A line as tcpeek writes it."""
    cause = "" if result == "success" else {"reject": "refused", "timeout": "no_answer", "unreach": "unreachable"}[result]
    client = f"198.51.{seq >> 8 & 255}.{seq & 255}"
    error = "" if result == "success" else f',"error.type":"{"refused" if result == "reject" else "timed_out"}"'
    duration = f"{seq % 1000 / 1e6:.6f}"
    return (
        f'{{"event":"outcome","boot":"{boot}","seq":{seq},"time":"2026-01-02T03:04:05.000006Z",'
        f'"duration_seconds":{duration},"initiator":{{"address":"{client}","port":40000}},'
        f'"responder":{{"address":"{server}","port":{port}}},"result":"{result}","cause":"{cause}","tries":1,'
        f'"tried_seconds":0.000000,"uncertain":false,"half_seen":false,"late_proof":false,"dup_syn":0,"dup_synack":0,'
        f'"legs_seconds":{{"syn_to_synack":{duration},"synack_to_ack":0.000000}},"isn":{{"initiator":1,"responder":2}},'
        f'"interface":"veth0","filters":["TX","web"],"client.address":"{client}","client.port":40000,'
        f'"server.address":"{server}","server.port":{port},"network.transport":"tcp","network.type":"ipv4",'
        f'"network.interface.name":"veth0"{error}}}'
    )


class FakeTcpeek:
    """Listens from the moment that it is made."""

    def __init__(self, path: pathlib.Path, kept: int = 65_536, failures_percent: int = 0, services: int = 1) -> None:
        self.path = path
        self.boot = secrets.token_hex(8)
        self.told: dict[str, int] = {}  # by boot: events so far
        self._kept: collections.deque[bytes] = collections.deque(maxlen=kept)
        self._failures = failures_percent
        self._services = services
        self._next = 1
        self._lock = threading.Condition()
        self._stopping = False
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(16)
        self._clients: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> FakeTcpeek:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def result_of(self, seq: int) -> str:
        return ("reject", "timeout", "unreach")[seq % 3] if seq * 37 % 100 < self._failures else "success"

    def service_of(self, seq: int) -> tuple[str, int]:
        return f"192.0.2.{seq % self._services + 1}", 443

    def tell(self, count: int) -> None:
        """That many more events."""
        with self._lock:
            for seq in range(self._next, self._next + count):
                server, port = self.service_of(seq)
                self._kept.append(outcome(self.boot, seq, self.result_of(seq), server, port).encode() + b"\n")
            self._next += count
            self.told[self.boot] = self._next - 1
            self._lock.notify_all()

    def restart(self) -> None:
        """Another boot; those who watch are closed."""
        with self._lock:
            self.boot = secrets.token_hex(8)
            self._kept.clear()
            self._next = 1
            self._close_clients()
            self._lock.notify_all()

    def close_clients(self) -> None:
        with self._lock:
            self._close_clients()
            self._lock.notify_all()

    def _close_clients(self) -> None:
        for client in self._clients:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._clients.clear()

    def watchers(self) -> int:
        return len(self._clients)

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
            self._close_clients()
            self._lock.notify_all()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                self._watch(client)
            except OSError:
                pass
            finally:
                with self._lock:
                    if client in self._clients:
                        self._clients.remove(client)

    def _watch(self, client: socket.socket) -> None:
        request = client.recv(4096).decode()
        asked = re.search(r"from=(\d+)", request)
        with self._lock:
            self._clients.append(client)
            boot = self.boot
            place = self._next
            if asked:
                place = 1 if int(asked[1]) > self._next else max(int(asked[1]), 1)
        client.sendall(json.dumps({"boot": boot, "at": place - 1}).encode() + b"\n")
        while True:
            with self._lock:
                while place >= self._next and not self._stopping and client in self._clients and self.boot == boot:
                    self._lock.wait(0.5)
                    if select.select([client], [], [], 0)[0] and not client.recv(64):
                        return
                if self._stopping or client not in self._clients or self.boot != boot:
                    return
                first = self._next - len(self._kept)
                piece = bytearray()
                if place < first:
                    piece += json.dumps({"gap": {"from": place, "to": first - 1}}).encode() + b"\n"
                    place = first
                while place < self._next and len(piece) < PIECE:
                    piece += self._kept[place - first]
                    place += 1
            client.sendall(piece)


def main() -> None:
    path, rate, seconds = pathlib.Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    failures = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    step = 0.02
    with FakeTcpeek(path, failures_percent=failures) as fake:
        print(fake.boot, flush=True)
        sys.stdin.readline()  # begins
        begin = time.monotonic()
        steps = int(seconds / step)
        for number in range(steps):
            time.sleep(max(0.0, begin + number * step - time.monotonic()))
            fake.tell(int(rate * step))
        print(f"{fake.told[fake.boot]} {time.monotonic() - begin:.3f}", flush=True)
        sys.stdin.readline()  # ends


if __name__ == "__main__":
    main()
