"""A picture of `tcpeekstat top` in a real run, as SVG: what tmux shows of scripts/demo, in its colours.

`picture.py FILE [SECONDS]`, as root; $TCPEEK is the tcpeek that is shown. docs/images/top.svg was made so.
"""

from __future__ import annotations

import html
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from itertools import groupby

import lab
from terminal import import_pyte

COLUMNS, ROWS = 110, 38
CELL_WIDTH, LINE_HEIGHT, MARGIN = 8.4, 18, 14  # of 14 px
BACKGROUND, FOREGROUND = "#1d1f21", "#c5c8c6"
COLOURS = {"red": "#e06c75", "green": "#98c379", "brown": "#e5c07b", "yellow": "#e5c07b", "blue": "#61afef",
           "magenta": "#c678dd", "cyan": "#56b6c2", "white": FOREGROUND, "black": BACKGROUND}  # fmt: skip


def capture(seconds: float) -> bytes:
    """The pane of top, as escape sequences."""
    with tempfile.TemporaryDirectory(prefix="tcpeek-") as folder:
        demo = subprocess.Popen([sys.executable, str(pathlib.Path(__file__).with_name("demo.py")), str(seconds + 60)],
                                env={**os.environ, "TMPDIR": folder, "LC_ALL": "C.UTF-8"})  # fmt: skip
        try:
            lab.wait_for(lambda: list(pathlib.Path(folder).glob("*/tmux")), "the demo has begun", 60)
            (server,) = pathlib.Path(folder).glob("*/tmux")
            tmux = ["tmux", "-S", str(server)]
            lab.wait_for(lambda: b" tcpeek " in subprocess.run(
                [*tmux, "capture-pane", "-p", "-t", "0.1"], capture_output=True, check=False).stdout, "top", 60)  # fmt: skip
            lab.run(*tmux, "resize-window", "-x", "200", "-y", str(ROWS))
            lab.run(*tmux, "resize-pane", "-t", "0.1", "-x", str(COLUMNS))
            time.sleep(seconds)
            return subprocess.run([*tmux, "capture-pane", "-e", "-p", "-t", "0.1"], capture_output=True, check=True).stdout
        finally:
            demo.terminate()
            demo.wait()


def svg(piece: bytes) -> str:
    pyte = import_pyte()
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.ByteStream(screen).feed(piece.rstrip(b"\n").replace(b"\n", b"\r\n"))
    width, height = COLUMNS * CELL_WIDTH + 2 * MARGIN, ROWS * LINE_HEIGHT + 2 * MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" role="img"'
        ' font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14">',
        "<title>tcpeekstat top</title>", f'<rect width="100%" height="100%" rx="6" fill="{BACKGROUND}"/>',
    ]  # fmt: skip
    for row in range(ROWS):
        cells = [screen.buffer[row][column] for column in range(COLUMNS)]
        column = 0
        for (fg, bg, bold, reverse), run in groupby(cells, lambda cell: (cell.fg, cell.bg, cell.bold, cell.reverse)):
            text = "".join(cell.data for cell in run)
            x, y, wide = MARGIN + column * CELL_WIDTH, MARGIN + row * LINE_HEIGHT, len(text) * CELL_WIDTH
            column += len(text)
            ink, paper = COLOURS.get(fg, FOREGROUND), COLOURS.get(bg, "") if bg != "default" else ""
            if reverse:
                ink, paper = paper or BACKGROUND, ink
            if paper:
                out.append(f'<rect x="{x:.1f}" y="{y}" width="{wide:.1f}" height="{LINE_HEIGHT}" fill="{paper}"/>')
            if text.strip():
                weight = ' font-weight="bold"' if bold else ""
                out.append(f'<text x="{x:.1f}" y="{y + 14}" fill="{ink}" textLength="{wide:.1f}" xml:space="preserve"'
                           f"{weight}>{html.escape(text)}</text>")  # fmt: skip
    return "\n".join([*out, "</svg>", ""])


def main() -> int:
    lab.require()
    pathlib.Path(sys.argv[1]).write_text(svg(capture(float(sys.argv[2]) if len(sys.argv) > 2 else 40.0)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
