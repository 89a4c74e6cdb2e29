"""Pictures of the figures: plain SVG that can be read on light and dark ground."""
import html
import json
import math
import os

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #333 }
  .head { font-weight: 600; font-size: 13px } .soft { fill: #777 } .end { text-anchor: end } .mid { text-anchor: middle }
  .bar { fill: #a9b4c0 } .limit { fill: #6b7785; stroke: #6b7785 } .sixdocker { fill: #d9622b; stroke: #d9622b }
  .pale { opacity: .35 }
  polyline.line { fill: none; stroke-width: 2 } polyline.grid { stroke: #888; stroke-width: 1; stroke-opacity: .3 } .bar.limit, .bar.sixdocker { stroke: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .soft { fill: #999 } .bar { fill: #55606c }
    .limit { fill: #9aa7b5; stroke: #9aa7b5 } .sixdocker { fill: #f0824d; stroke: #f0824d }
  }
"""


class Picture:
    def __init__(self, width, height, title):
        self.width, self.height, self.title, self.parts = width, height, title, []

    def text(self, x, y, words, kind=""):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{html.escape(words)}</text>')

    def bar(self, x, y, width, height, kind):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" class="bar {kind}"/>')

    def line(self, points, kind):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" class="line {kind}"/>')

    def dot(self, x, y, kind):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="{kind}"/>')

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
                       f'width="{self.width}" height="{self.height}" role="img" aria-label="{html.escape(self.title)}">\n'
                       f'<title>{html.escape(self.title)}</title>\n<style>{STYLE}</style>\n' + "\n".join(self.parts) + "\n</svg>\n")


def starts(figures, path):
    """A bar for the fastest run of each program, and a pale one for the median; columns for root and a user."""
    who = [name for name in ("root", "user") if name in figures]
    columns, row, left = 430, 20, 96
    height = max(sum(34 + row * len(level) for level in figures[name]["levels"].values()) for name in who) + 70
    picture = Picture(columns * len(who), height, "Milliseconds of a whole run of /bin/true in a sandbox")
    most = max(program["median"] for name in who for level in figures[name]["levels"].values() for program in level.values())
    scale = (columns - left - 160) / most
    for column, name in enumerate(who):
        x, y = column * columns + left, 20
        picture.text(x - left + 8, y, f"as {'an ordinary user' if name == 'user' else 'root'}: ms of a whole run of /bin/true", "head")
        for title, level in figures[name]["levels"].items():
            y += 30
            picture.text(x - left + 8, y, title, "soft")
            for tool, program in sorted(level.items(), key=lambda pair: pair[1]["median"]):
                y += row
                draw_row(picture, x, y, scale, tool, program)
            y += 4
    note = "bar: the fastest run; pale: the median; ×: median ratio to the limit program, round by round"
    picture.text(8, height - 12, note, "soft")
    picture.save(path)


def draw_row(picture, x, y, scale, tool, program):
    picture.text(x - 8, y, tool, "end")
    picture.bar(x, y - 11, program["median"] * scale, 13, f"{tool} pale")
    picture.bar(x, y - 11, program["min"] * scale, 13, tool)
    words = f"{program['min']:.2f} | {program['median']:.2f} ms  × {program['ratio']:.2f}"
    picture.text(x + program["median"] * scale + 6, y, words)


CURVES = {"mounts": ("bind mounts of the sandbox", "ms a run"), "manifest": ("bytes of the manifest", "ms a run"),
          "at_once": ("sandboxes started at once", "ms each, until all run"), "host": ("mounts of the host", "ms a run")}


def growth(curves, path):
    """A panel for each curve, logarithmic both ways."""
    width, high = 430, 260
    shown = [name for name in CURVES if curves.get(name)]
    picture = Picture(2 * width, math.ceil(len(shown) / 2) * high + 24, "How the time of a run grows")
    for number, name in enumerate(shown):
        panel(picture, (number % 2) * width + 48, (number // 2) * high + 40, width - 80, high - 90, name, curves[name])
    picture.text(8, picture.height - 8, "the fastest runs; both axes are logarithmic; grey: the limit program, orange: sixdocker", "soft")
    picture.save(path)


def panel(picture, left, top, width, height, name, points):
    xs = [point["at"] for point in points]
    ys = [point[tool]["min"] for point in points for tool in ("limit", "sixdocker")]
    low, high = 10 ** math.floor(math.log10(min(ys))), 10 ** math.ceil(math.log10(max(ys)))
    low, high = low, max(high, low * 10)
    across = lambda at: left + width * math.log(at / xs[0]) / math.log(xs[-1] / xs[0])
    up = lambda value: top + height - height * math.log(value / low) / math.log(high / low)
    label, unit = CURVES[name]
    picture.text(left - 40, top - 22, label, "head")
    picture.text(left - 40, top - 7, unit, "soft")
    mark = low
    while mark <= high * 1.001:
        picture.line([(left, up(mark)), (left + width, up(mark))], "grid")
        picture.text(left - 6, up(mark) + 4, f"{mark:g}", "end soft")
        mark *= 10
    for at in xs:
        picture.text(across(at), top + height + 17, short(at), "mid soft")
    for tool in ("limit", "sixdocker"):
        line = [(across(point["at"]), up(point[tool]["min"])) for point in points]
        picture.line(line, f"{tool} curve")
        for (x, y), point in zip(line, points):
            picture.dot(x, y, tool)
            if tool == "sixdocker":
                picture.text(x, y - 7, f"{point[tool]['min']:.3g}", "mid")


def short(number):
    return f"{number / 1000:.0f}k" if number >= 1000 else str(number)


def draw(path):
    with open(path, encoding="utf-8") as file:
        figures = json.load(file)
    place = os.path.dirname(path)
    if "starts" in figures:
        starts(figures["starts"], os.path.join(place, "starts.svg"))
    if "growth" in figures:
        who = figures["growth"].get("root") or figures["growth"]["user"]
        growth(who["curves"], os.path.join(place, "growth.svg"))
