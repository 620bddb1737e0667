"""What a watcher of 50,000 events a second costs: processor time of the reactor and of the readers, without a
watcher, with one and with sixteen, while the same handshakes are sent. As root:

    TCPEEK=build/release/tcpeek python3 tests/faults/watch_cost.py [RATE [SECONDS]]
"""

from __future__ import annotations

import contextlib
import pathlib
import socket
import subprocess
import sys
import time

import live  # noqa: F401  (the path to tests/live)

import flows
import lab
from burst import Burst
from monitor import Monitor
from steady import steady

STEP_S = 0.02
# Reads as fast as it can and counts, as a collector does; a process of its own.
CLIENT = """
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
client.sendall(b"WATCH\\n")
lines = client.recv(1 << 20).count(b"\\n")  # where it begins: it is being told
gaps = 0
print("begun", flush=True)
while chunk := client.recv(1 << 20):
    lines += chunk.count(b"\\n")
    gaps += chunk.count(b'{"gap":')
print(lines, gaps, flush=True)
"""


def seconds_of(pid: int) -> tuple[float, float]:
    """Of the reactor's thread, and of all others."""
    reactor = others = 0.0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        used = int((task / "schedstat").read_text(encoding="ascii").split()[0]) / 1e9
        if task.name == str(pid):
            reactor += used
        else:
            others += used
    return reactor, others


def send(sender: socket.socket, bursts: list[Burst]) -> float:
    """One burst each STEP_S; how long it took."""
    begin = time.monotonic()
    for number, burst in enumerate(bursts):
        time.sleep(max(0.0, begin + number * STEP_S - time.monotonic()))
        burst.send(sender)
    return time.monotonic() - begin


def run(network: lab.Lab, watchers: int, bursts: list[Burst], handshakes: int) -> None:
    with Monitor(network, "-q", "--threads", "1", "--max-sessions", "1000000", ring_mib=64) as monitor:
        sender = network.peer.raw_socket("veth0")
        with contextlib.ExitStack() as stack:
            stack.callback(sender.close)
            clients = []
            for _ in range(watchers):
                words = (sys.executable, "-c", CLIENT, str(monitor.socket_path))
                client = stack.enter_context(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
                assert client.stdout is not None and client.stdout.readline() == "begun\n"
                clients.append(client)
            before = seconds_of(monitor.pid)
            took = send(sender, bursts)
            end = steady(monitor)
            time.sleep(0.5)  # what was counted is also told
            reactor, readers = (now - then for now, then in zip(seconds_of(monitor.pid), before, strict=True))
            lost = sum(reader["events_lost"] for reader in end.json["readers"])
            print(
                f"{watchers:2} watchers: {handshakes / took:,.0f} handshakes/s for {took:.1f} s; "
                f"reactor {reactor / took:6.1%} of a core, reader {readers / took:6.1%}; "
                f"{end.packets('dropped')} packets dropped, {lost} outcomes not told"
            )
            monitor.stop()
            for client in clients:
                assert client.stdout is not None
                lines, gaps = client.stdout.read().split()
                print(f"    a watcher was told {lines} lines, {gaps} of them gaps")
                if client is clients[0] and watchers > 1:
                    break


def main() -> None:
    rate = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    each = int(rate * STEP_S)
    steps = int(seconds / STEP_S)
    bursts = [Burst(list(flows.handshakes(step * each, each))) for step in range(steps)]
    for watchers in (0, 1, 16):
        with lab.Lab() as network:
            run(network, watchers, bursts, each * steps)


if __name__ == "__main__":
    main()
