# SPDX-License-Identifier: BSD-3-Clause
"""plot.py: draws nanoseconds against n, both by powers of ten, as SVG. With the standard library only."""
import math

COLOURS = {"viommu": "#0b6e4f", "gtree": "#c1440e", "btreemap": "#6a4c93", "stdmap": "#1d5fa8", "scan": "#6b6b6b"}
WIDTH, HEIGHT = 420, 320  # of the area of one panel
LEFT, TOP, RIGHT, BOTTOM = 64, 40, 84, 52  # around it
LABEL_GAP = 14


def power(value):
    return str(value) if value < 10000 else f"10<tspan dy='-5' font-size='9'>{round(math.log10(value))}</tspan>"


def labels_apart(labels):
    """(y, text, colour) from above, moved down where two would lie on each other."""
    out, lowest = [], -math.inf
    for y, text, colour in sorted(labels):
        lowest = max(y, lowest + LABEL_GAP)
        out.append((lowest, text, colour))
    return out


def panel(title, points, x0):
    """One plot, of {name: [(n, ns)]}. Its names stand behind the last point of their lines."""
    every = [p for line in points.values() for p in line]
    low = [math.floor(math.log10(min(p[i] for p in every))) for i in (0, 1)]
    high = [max(math.ceil(math.log10(max(p[i] for p in every))), low[i] + 1) for i in (0, 1)]

    def x(n):
        return x0 + LEFT + WIDTH * (math.log10(n) - low[0]) / (high[0] - low[0])

    def y(ns):
        return TOP + HEIGHT * (high[1] - math.log10(ns)) / (high[1] - low[1])

    out = [f"<text x='{x0 + LEFT}' y='24' font-weight='bold'>{title}</text>"]
    for e in range(low[0], high[0] + 1):
        at = x(10 ** e)
        out.append(f"<line x1='{at:.1f}' y1='{TOP}' x2='{at:.1f}' y2='{TOP + HEIGHT}' class='grid'/>")
        out.append(f"<text x='{at:.1f}' y='{TOP + HEIGHT + 18}' text-anchor='middle'>{power(10 ** e)}</text>")
    for e in range(low[1], high[1] + 1):
        at = y(10 ** e)
        out.append(f"<line x1='{x0 + LEFT}' y1='{at:.1f}' x2='{x0 + LEFT + WIDTH}' y2='{at:.1f}' class='grid'/>")
        out.append(f"<text x='{x0 + LEFT - 8}' y='{at + 4:.1f}' text-anchor='end'>{power(10 ** e)}</text>")
    middle = x0 + LEFT + WIDTH / 2
    out.append(f"<text x='{middle}' y='{TOP + HEIGHT + 40}' text-anchor='middle'>mappings</text>")
    out.append(f"<text x='{x0 + 16}' y='{TOP + HEIGHT / 2}' text-anchor='middle' "
               f"transform='rotate(-90 {x0 + 16} {TOP + HEIGHT / 2})'>ns for one operation</text>")
    labels = []
    for name, line in points.items():
        if not line:
            continue
        colour = COLOURS[name]
        path = " ".join(f"{x(n):.1f},{y(ns):.1f}" for n, ns in line)
        wide = 3 if name == "viommu" else 1.5
        out.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='{wide}'/>")
        out += [f"<circle cx='{x(n):.1f}' cy='{y(ns):.1f}' r='3' fill='{colour}'><title>{name}, n = {n}: {ns:.3g} ns"
                "</title></circle>" for n, ns in line]
        end = x(line[-1][0])
        if end > x0 + LEFT + WIDTH - 1:
            labels.append((y(line[-1][1]), name, colour))
        else:
            out.append(f"<text x='{end + 8:.1f}' y='{y(line[-1][1]) + 4:.1f}' fill='{colour}'>{name}</text>")
    out += [f"<text x='{x0 + LEFT + WIDTH + 8}' y='{at + 4:.1f}' fill='{colour}'>{name}</text>"
            for at, name, colour in labels_apart(labels)]
    return out


def plot(panels):
    """Panels of (title, {name: [(n, ns)]}), side by side."""
    step = LEFT + WIDTH + RIGHT
    width, height = step * len(panels), TOP + HEIGHT + BOTTOM
    out = [f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' "
           f"viewBox='0 0 {width} {height}' font-family='sans-serif' font-size='12' fill='#222'>",
           "<!-- SPDX-License-Identifier: BSD-3-Clause. Written by script/bench. -->",
           "<style>.grid { stroke: #ddd; stroke-width: 1 }</style>",
           f"<rect width='{width}' height='{height}' fill='white'/>"]
    for i, (title, points) in enumerate(panels):
        out += panel(title, points, i * step)
    return "\n".join([*out, "</svg>"]) + "\n"
