# SPDX-License-Identifier: Apache-2.0
"""What the tour writes: chapters, what was done, figures, progress bars. Plain lines where nobody watches."""
import shutil
import sys
import textwrap
import time

LIVE = sys.stdout.isatty()
WIDTH = min(shutil.get_terminal_size((96, 24)).columns, 96)
BAR = 30


def _style(code, text):
    return f"\033[{code}m{text}\033[0m" if LIVE else text


def bold(text):
    return _style("1", text)


def dim(text):
    return _style("2", text)


def green(text):
    return _style("32", text)


def number(value):
    return f"{value:,}"


def size(count):
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit in ("B", "kB") else f"{count:.1f} {unit}"
        count /= 1000


def say(text=""):
    """A paragraph, wrapped."""
    for paragraph in text.split("\n"):
        print(textwrap.fill(paragraph, WIDTH, initial_indent="  ", subsequent_indent="  ") if paragraph else "",
              flush=True)


def chapter(count, title):
    print(f"\n{bold(f'{count}  {title}')}\n", flush=True)


def command(words):
    """A command line as the reader could type it."""
    print("  " + dim("$ " + " ".join(words)), flush=True)


def done(text):
    print(f"  {green('✓')} {text}", flush=True)


def table(rows, head=None):
    rows = [[str(cell) for cell in row] for row in ([head] if head else []) + rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for index, row in enumerate(rows):
        cells = [cell.ljust(widths[i]) if i == 0 or not cell.replace(",", "").isdigit() else cell.rjust(widths[i])
                 for i, cell in enumerate(row)]
        line = "    " + "   ".join(cells).rstrip()
        print(dim(line) if head and index == 0 else line, flush=True)


class Progress:
    """A bar that is drawn again and again in one line; only its last state where nobody watches."""

    def __init__(self, title):
        self.title, self.began, self.shown, self.text = title, time.monotonic(), 0.0, ""

    def show(self, part, whole, note="", last=False):
        now = time.monotonic()
        share = min(1.0, part / whole) if whole else 1.0
        filled = int(share * BAR)
        self.text = f"  {self.title}  {'█' * filled}{'░' * (BAR - filled)} {share * 100:3.0f} %  {note}"
        if LIVE and (last or now - self.shown > 0.05):
            print("\r\033[K" + self.text[:WIDTH + 20], end="", flush=True)
            self.shown = now

    def end(self):
        print(("\r\033[K" if LIVE else "") + self.text, flush=True)

    def seconds(self):
        return time.monotonic() - self.began
