#!/usr/bin/env python3
"""Draws the pictures of src/README.md: .readme/rooms.svg from its table of rooms, and .readme/step.svg, one training step in time.

    .readme/draw.py            writes both
    .readme/draw.py --check    exit code 1 where a file is not what would be written (tests/rooms does that)
"""
import html
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
STYLE = """<style>
text { font-family: system-ui, "DejaVu Sans", sans-serif; font-size: 13px; fill: #1f2328 }
.small { font-size: 11px; fill: #59636e } .name { font-weight: 600 } .middle { text-anchor: middle } .end { text-anchor: end }
.floor { fill: #f6f8fa; stroke: #d1d9e0 } .room { fill: #ffffff; stroke: #59636e }
.line { stroke: #59636e; fill: none } .dashed { stroke: #59636e; stroke-dasharray: 4 3; fill: none }
.forward { fill: #b6d7f5 } .backward { fill: #7fb2e5 } .exchange { fill: #f5c98b } .optimizer { fill: #a8d8a8 } .loader { fill: #ddd3f0 } .wait { fill: #eceff2 }
</style>"""


def drawing(width, height, title, parts):
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{html.escape(title)}">',
                      STYLE, f'<rect width="{width}" height="{height}" fill="#ffffff"/>', *parts, "</svg>", ""])


def text(x, y, words, classes=""):
    return f'<text x="{x:g}" y="{y:g}"' + (f' class="{classes}"' if classes else "") + f">{html.escape(words)}</text>"


def box(x, y, width, height, classes, radius=4):
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius}" class="{classes}"/>'


def wrapped(words, width):
    """Lines of at most `width` characters."""
    lines = [""]
    for word in words.split():
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = (lines[-1] + " " + word).strip()
    return lines


def floors():
    """[(floor, [(room, what it holds, what it may include)])] of src/README.md's table, the highest first; rooms without a number stand beside the floors."""
    found = {}
    for line in (ROOT / "src/README.md").read_text().splitlines():
        row = re.match(r"\| (\d*) ?\| ((?:`[\w/]+/`(?:, )?)+) \| ([^|]+) \| ([^|]+) \|", line)
        if row:
            names = [folder.split("/")[-1] for folder in re.findall(r"`([\w/]+)/`", row[2])]
            holds = row[3].strip().replace("`", "").split("; ") if len(names) > 1 else [row[3].strip().replace("`", "")]
            found.setdefault(int(row[1] or 0), []).extend((name, held, row[4].strip()) for name, held in zip(names, holds))
    return sorted(found.items(), reverse=True)


def rooms():
    width, gap, left = 1000, 8, 70
    parts, y = [], 12
    beside = []
    for floor, there in floors():
        if floor == 0:
            beside = there
            continue
        each = (width - left - 24) / len(there)
        lines = [wrapped(holds, int((each - gap - 12) / 5.9)) for _, holds, _ in there]
        height = 46 + 14 * max(len(words) for words in lines)
        parts += [box(8, y, width - 16, height, "floor"), text(24, y + height / 2 + 4, f"floor {floor}", "small")]
        for i, (name, _, _) in enumerate(there):
            x = left + 10 + i * each
            parts += [box(x, y + 8, each - gap, height - 16, "room"), text(x + 8, y + 25, name, "name")]
            parts += [text(x + 8, y + 41 + 14 * k, line, "small") for k, line in enumerate(lines[i])]
        y += height + gap
    for name, holds, uses in beside:
        parts += [box(8, y, width - 16, 40, "floor"), text(24, y + 25, name, "name"), text(110, y + 25, f"{holds} (beside the floors: uses {uses})", "small")]
        y += 48
    parts.append(text(width / 2, y + 14, "A room includes only rooms on floors below it. run may use inference and report, inference may use report, objective may use model.", "small middle"))
    return drawing(width, y + 28, "The rooms of vae_dist and their floors", parts)


def step():
    """A rank with two replicas. Widths follow a measured profile: forward 33 %, backward 65 %, optimizer 1.5 % of a step."""
    width, left, right = 1000, 150, 20
    span = width - left - right
    # Shares of the picture's width; the optimizer is drawn wider than it is, to be seen.
    forward, backward, wait, optimizer = 0.145, 0.285, 0.03, 0.05
    marks = []
    at = 0.02
    for replica in (1, 2):
        marks += [("forward", at, forward, f"forward, replica {replica}"), ("backward", at + forward, backward, f"backward, replica {replica}")]
        at += forward + backward
    second = at - backward
    marks += [("wait", at, wait, ""), ("optimizer", at + wait, optimizer, "")]
    end = at + wait + optimizer
    lanes = {"loader": 60, "compute": 128, "exchange": 204, "control": 276}
    parts = [text(16, 24, "One training step of one rank (R / np = 2 replicas)", "name")]
    for lane, words in (("loader", "loader threads"), ("compute", "forward, backward"), ("exchange", "exchange"), ("control", "control thread")):
        parts += [text(16, lanes[lane] + 17, words), f'<line x1="{left}" y1="{lanes[lane] + 48}" x2="{width - right}" y2="{lanes[lane] + 48}" class="dashed"/>']
    parts += [text(16, lanes["exchange"] + 31, "a thread, or NCCL", "small")]
    x = lambda share: left + share * span
    for kind, begin, length, words in (("loader", 0.02, 0.3, "batch of step s + 1"), ("loader", 0.36, 0.3, "batch of step s + 2"), ("loader", 0.70, 0.26, "s + 3")):
        parts += [box(x(begin), lanes["loader"], length * span, 26, kind), text(x(begin) + 8, lanes["loader"] + 17, words, "small")]
    for kind, begin, length, words in marks:
        parts += [box(x(begin), lanes["compute"], length * span, 30, kind), text(x(begin) + 8, lanes["compute"] + 19, words, "small")]
    parts += [text(x(at + wait + optimizer / 2), lanes["compute"] - 6, "clip, optimizer", "small middle"), text(x(at) - 4, lanes["compute"] + 46, "finish()", "small end")]
    # Statistics go first, when the last forward pass is over; buckets follow as they complete, from the end of the network.
    parts += [box(x(second), lanes["exchange"], 0.02 * span, 26, "exchange"), text(x(second) - 2, lanes["exchange"] - 6, "statistics", "small")]
    for share, length, words in ((0.28, 0.04, "bucket 0"), (0.50, 0.075, "bucket 1"), (0.77, 0.075, "bucket 2"), (1.0, 0.025, "last")):
        begin = second + share * backward
        parts += [box(x(begin), lanes["exchange"], length * span, 26, "exchange"), text(x(begin) + 3, lanes["exchange"] + 40, words, "small"),
                  f'<line x1="{x(begin):g}" y1="{lanes["compute"] + 30}" x2="{x(begin):g}" y2="{lanes["exchange"]}" class="line"/>']
    for share in [0.03 + 0.06 * i for i in range(16)]:
        parts.append(box(x(share), lanes["control"] + 8, 4, 10, "exchange", 0))
    parts += [text(x(0.02), lanes["control"] + 36, "answers other ranks and watches how long its own rank has been in its phase", "small")]
    parts += [f'<line x1="{x(0.02):g}" y1="44" x2="{x(0.02):g}" y2="326" class="dashed"/>', f'<line x1="{x(end):g}" y1="44" x2="{x(end):g}" y2="326" class="dashed"/>',
              text(x(0.02), 346, "flags of step s are sent; the values of step s - 2 (loss, norm, skipped) and the flags of step s - 2 (stop, checkpoint) are read", "small"),
              text(x(end), 40, "step s + 1", "small middle")]
    return drawing(width, 360, "One training step on the time axis", parts)


def main():
    wrong = []
    for name, content in (("rooms.svg", rooms()), ("step.svg", step())):
        path = ROOT / ".readme" / name
        if "--check" in sys.argv:
            if not path.exists() or path.read_text() != content:
                wrong.append(name)
        else:
            path.write_text(content)
    if wrong:
        sys.exit(f"{', '.join(wrong)}: not what .readme/draw.py draws; run it")


if __name__ == "__main__":
    main()
