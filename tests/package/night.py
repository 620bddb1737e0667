"""What tcpeekstat(1) tells under IT IS 3 A.M.: a database that served goes down, and is started again."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import subprocess
import sys
from collections.abc import Iterator

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "live"))

import lab

PORT = 5432
TOOL = lab.ROOT / "scripts" / "tcpeekstat"


@contextlib.contextmanager
def watched(network: lab.Lab) -> Iterator[pathlib.Path]:
    """The socket of a tcpeek as the package starts it, with a filter."""
    path = network.folder / "sock"
    words = [str(lab.binary()), "-q", "--icmp", "-i", "veth0", "-U", str(path), f"db:TX@%:{PORT}"]
    process = subprocess.Popen(network.host.command(*words), stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        lab.wait_for(path.is_socket, "tcpeek listens on its socket")
        yield path
    finally:
        process.terminate()
        process.wait(lab.DEADLINE_S)


def play(network: lab.Lab) -> dict[str, str]:
    """What each command says, in the order of the manual."""
    said: dict[str, str] = {}
    with watched(network) as path:

        def ask(*words: str) -> str:
            done = subprocess.run([sys.executable, TOOL, "-U", path, *words], capture_output=True, text=True, check=False,
                                  timeout=lab.DEADLINE_S, env={"COLUMNS": "80", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin"})  # fmt: skip
            return done.stdout

        def attempt(count: int) -> None:
            for _ in range(count):
                with contextlib.suppress(ConnectionRefusedError):
                    network.host.connect(lab.PEER_V4, PORT).close()

        def serve() -> socket.socket:
            return network.peer.listen(lab.PEER_V4, PORT)

        with serve():
            attempt(12)
        attempt(60)
        lab.wait_for(lambda: "failing" in ask(), "it is found failing")
        for words in ("", "explain"):
            said[f"tcpeekstat {words}".strip()] = ask(*words.split())
        with serve():
            attempt(12)
            said["tcpeekstat -f db"] = ask("-f", "db")
    return said


if __name__ == "__main__":
    with lab.Lab() as made:
        for command, text in play(made).items():
            print(f"$ {command}\n{text}")
