"""Two namespaces, traffic of six kinds between them, and beside each other in tmux what tcpeek and `tcpeekstat top` say.

`demo.py [SECONDS]`; see scripts/demo. tcpeek runs on the host. Out from there go attempts that succeed (port 80), are
refused (81), get no answer (10.77.0.99), are unreachable (a network without a route), or need a second SYN (443);
and its own port 5432 has a full accept queue.

However it ends, nothing stays: a second process waits for the end of this one, and clears away what is left.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import lab
import stacks

TOOL = lab.ROOT / "scripts" / "tcpeekstat"
TICK_S = 0.25
PATIENCE_S = 8.0  # of a client; the timeout of tcpeek is shorter
TIMEOUT_S = 5
BACKLOG = 4
ABSENT = "10.77.0.99"
NO_ROUTE = "203.0.113.7"  # RFC 5737
WEB, CLOSED, LOSSY, FULL = 80, 81, 443, 5432
DETACHED_SIZE = (200, 50)
SIDE_BY_SIDE_COLUMNS = 160


class Traffic:
    """One attempt of a kind at a time; what is answered is closed by both sides."""

    def __init__(self, network: lab.Lab, stack: contextlib.ExitStack) -> None:
        self._network = network
        self._open: collections.deque[tuple[float, socket.socket]] = collections.deque()
        self._listeners = [stack.enter_context(network.peer.listen(lab.PEER_V4, port)) for port in (WEB, LOSSY)]
        for listener in self._listeners:
            listener.setblocking(False)
        stack.enter_context(network.host.listen(lab.HOST_V4, FULL, backlog=BACKLOG))
        stack.callback(self._close_until, float("inf"))
        network.host.ip("neighbour", "add", ABSENT, "lladdr", "02:00:00:00:00:99", "dev", "veth0")
        network.host.ip("route", "add", f"{NO_ROUTE}/32", "via", lab.PEER_V4)
        network.peer.sysctl("net.ipv4.ip_forward", 1)
        network.peer.sysctl("net.ipv4.icmp_ratelimit", 0)
        network.peer.ip("route", "add", "unreachable", f"{NO_ROUTE}/32")
        dropped = f"tcp dport {LOSSY} tcp flags syn numgen inc mod 2 == 0 drop"
        stacks.set_rules(network.peer, {"input": (dropped,)})
        for _ in range(BACKLOG + 1):
            self._begin(network.peer, lab.HOST_V4, FULL, float("inf"))

    def tick(self, number: int) -> None:
        out = self._network.host
        self._begin(out, lab.PEER_V4, WEB)
        if number % 4 == 0:
            self._begin(out, lab.PEER_V4, CLOSED)
            self._begin(out, lab.PEER_V4, LOSSY)
        if number % 8 == 0:
            self._begin(out, ABSENT, WEB)
            self._begin(out, NO_ROUTE, WEB)
            self._begin(self._network.peer, lab.HOST_V4, FULL)
        for listener in self._listeners:
            with contextlib.suppress(BlockingIOError):
                while True:
                    listener.accept()[0].close()
        self._close_until(time.monotonic())

    def _begin(self, namespace: lab.Namespace, address: str, port: int, patience_s: float = PATIENCE_S) -> None:
        client = namespace.make_socket(socket.AF_INET)
        client.setblocking(False)
        wanted = client.connect_ex((address, port))
        if wanted not in (0, errno.EINPROGRESS, errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH):
            client.close()
            raise OSError(wanted, f"connect to {address}:{port}: {os.strerror(wanted)}")
        self._open.append((time.monotonic() + patience_s, client))

    def _close_until(self, now: float) -> None:
        kept: collections.deque[tuple[float, socket.socket]] = collections.deque()
        for due, client in self._open:
            if due <= now:
                client.close()
            else:
                kept.append((due, client))
        self._open = kept


class Screen:
    """A tmux of its own with both programs; gone when one of them is left, or at Ctrl-C."""

    def __init__(self, network: lab.Lab, server: pathlib.Path) -> None:
        self._tmux = ["tmux", "-f", "/dev/null", "-S", str(server)]
        self._attached: subprocess.Popen[bytes] | None = None
        columns, rows = shutil.get_terminal_size(DETACHED_SIZE) if sys.stdout.isatty() else DETACHED_SIZE
        stats = network.folder / "sock"
        # Not in the network of the host: the socket is a file.
        left = network.host.command(str(lab.binary()), "-i", "veth0", "--icmp", "-t", str(TIMEOUT_S), "-U", str(stats),
                                    f"web:TX@%:{WEB}", f"db:RX@%:{FULL}")  # fmt: skip
        right = [sys.executable, str(TOOL), "-U", str(stats), "top"]
        self._run("new-session", "-d", "-x", str(columns), "-y", str(rows), shlex.join(left))
        self._run("set", "-g", "status-right", " Ctrl-C or q ends the demo ")
        self._run("set", "-g", "status-left", " tcpeek demo ")
        self._run("set", "-g", "status-left-length", "20")
        self._run("set", "-g", "window-status-current-format", "")  # there is only one
        self._run("bind", "-n", "C-c", "kill-server")
        self._run("set-hook", "-g", "pane-exited", "kill-server")
        lab.wait_for(lambda: self._is_served(stats), "tcpeek listens on its socket")
        side_by_side = columns >= SIDE_BY_SIDE_COLUMNS
        self._run("split-window", "-h" if side_by_side else "-v", "-l", "55%" if side_by_side else "70%", shlex.join(right))

    def _run(self, *words: str) -> None:
        lab.run(*self._tmux, *words)

    def _is_served(self, path: pathlib.Path) -> bool:
        if not self.is_there():
            raise RuntimeError("tcpeek did not start: run scripts/run -i lo to see why")
        return path.is_socket()

    def attach(self) -> None:
        if sys.stdout.isatty():
            environment = {name: value for name, value in os.environ.items() if name != "TMUX"}
            self._attached = subprocess.Popen([*self._tmux, "attach"], env=environment)

    def is_there(self) -> bool:
        if self._attached and self._attached.poll() is not None:
            return False
        return subprocess.run([*self._tmux, "has-session"], capture_output=True, check=False).returncode == 0

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False)
        if self._attached:
            self._attached.wait(lab.DEADLINE_S)


def start_janitor(server: pathlib.Path, folder: pathlib.Path) -> None:
    """A process in a session of its own that reads from us; at our end it removes what we did not."""
    reading, writing = os.pipe()
    os.set_inheritable(writing, False)
    subprocess.Popen([sys.executable, __file__, "--clear", str(server), str(folder), str(os.getpid())],
                     stdin=reading, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    os.close(reading)


def clear(server: str, folder: str, pid: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.read()
    subprocess.run(["tmux", "-S", server, "kill-server"], capture_output=True, check=False)
    with contextlib.suppress(AssertionError):
        lab.wait_for(lambda: not pathlib.Path("/proc", pid).exists(), "the demo has ended")
    lab.remove_leftovers()
    shutil.rmtree(folder, ignore_errors=True)


def end_on_signals() -> None:
    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


def play(seconds: float) -> None:
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="tcpeek-demo-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        server = folder / "tmux"
        start_janitor(server, folder)
        tempfile.tempdir = str(folder)  # of the network as well, so that one folder has all
        network = stack.enter_context(lab.Lab())
        traffic = Traffic(network, stack)
        screen = Screen(network, server)
        stack.callback(screen.close)
        screen.attach()
        ends = time.monotonic() + seconds
        number = 0
        while time.monotonic() < ends and screen.is_there():
            traffic.tick(number)
            number += 1
            time.sleep(TICK_S)


def main() -> int:
    if sys.argv[1:2] == ["--clear"]:
        clear(*sys.argv[2:])
        return 0
    end_on_signals()
    lab.remove_leftovers()
    play(float(sys.argv[1]) if len(sys.argv) > 1 else float("inf"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
