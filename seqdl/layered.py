"""Small directed graphs drawn in layers, as SVG: what is made of something stands below it.

The steps are Sugiyama's (Sugiyama, Tagawa, Toda 1981): a layer for each vertex by its longest way from a source, a
point in each layer that an edge passes, an order within layers by the mean place of the neighbours, then places.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from xml.sax.saxutils import escape

SWEEPS = 8
HIGH, BETWEEN, BESIDE, PASSING, MARGIN = 40, 34, 18, 7, 8  # pixels: a vertex, and the gaps, also beside an edge
LETTER, PADDING = 7.2, 18  # pixels: width of a letter, and around the words
ACROSS = 560  # pixels: inputs of one vertex that need more stand in several rows
APART = 14  # pixels between edges that lead from one vertex to the same other one
FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
INK, PALE = "#222222", "#666666"


def draw(
    inputs: Sequence[Sequence[int]],
    lines: Sequence[tuple[str, str]],
    *,
    fills: Sequence[str],
    rounded: Sequence[bool],
    title: str,
    description: str,
) -> str:
    """An SVG document. inputs: of each vertex the earlier ones it is made of; lines: its two lines of words."""
    widths = [max(map(len, both)) * LETTER + PADDING for both in lines]
    layers, ways = _layers(inputs, widths)
    widths += [0.0] * (sum(map(len, layers)) - len(lines))  # points that edges pass
    x = _places(layers, _neighbours(ways), widths)
    depth = {vertex: n for n, layer in enumerate(layers) for vertex in layer}
    left = min(x[v] - widths[v] / 2 for v in x) - MARGIN
    across = max(x[v] + widths[v] / 2 for v in x) + MARGIN - left
    down = len(layers) * (HIGH + BETWEEN) - BETWEEN + 2 * MARGIN

    def top(vertex: int) -> float:
        return MARGIN + depth[vertex] * (HIGH + BETWEEN)

    shapes = []
    for way in ways:
        for aside in _asides(inputs[way[-1]].count(way[0])):
            shapes.append(_edge([(x[v] - left + aside, top(v)) for v in way]))
    for v, words in enumerate(lines):
        shapes.append(_box(x[v] - left, top(v), widths[v], words, fills[v], HIGH / 2 if rounded[v] else 4))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{across:.0f}" height="{down:.0f}" '
        f'viewBox="0 0 {across:.1f} {down:.1f}" style="max-width: 100%; height: auto" font-family="{FONT}">\n'
        f"<title>{escape(title)}</title>\n<desc>{escape(description)}</desc>\n" + "\n".join(shapes) + "\n</svg>\n"
    )


def _asides(count: int) -> list[float]:
    """How far each of so many edges between the same two vertices lies from the middle."""
    return [APART * (n - (count - 1) / 2) for n in range(count)]


def _depths(inputs: Sequence[Sequence[int]], widths: Sequence[float]) -> list[int]:
    """The layer of each vertex: below all it is made of; a source right above the first that needs it."""
    rows: dict[int, int] = {}  # of each source, how far above that
    depth = [0] * len(inputs)
    for v, sources in enumerate(inputs):
        rows |= _rows([s for s in dict.fromkeys(sources) if not inputs[s] and s not in rows], widths)
        depth[v] = max((depth[s] + 1 if inputs[s] else rows[s] for s in sources), default=0)
    for source, row in rows.items():
        depth[source] = min(depth[u] for u, sources in enumerate(inputs) if source in sources) - row
    return depth


def _rows(sources: Sequence[int], widths: Sequence[float]) -> dict[int, int]:
    """The row of each, no row too wide, the last row being 1."""
    row, used, rows = 0, 0.0, {}
    for source in sources:
        used += widths[source] + BESIDE
        if used > ACROSS:
            row, used = row + 1, widths[source] + BESIDE
        rows[source] = row
    return {source: row + 1 - above for source, above in rows.items()}


def _layers(inputs: Sequence[Sequence[int]], widths: Sequence[float]) -> tuple[list[list[int]], list[list[int]]]:
    """Vertices by layer, points of edges included, and of each edge the vertices and points it passes."""
    depth = _depths(inputs, widths)
    layers: list[list[int]] = [[] for _ in range(max(depth) + 1)]
    for v, level in enumerate(depth):
        layers[level].append(v)
    ways, free = [], len(inputs)
    for v, sources in enumerate(inputs):
        for source in dict.fromkeys(sources):
            points = range(free, free + depth[v] - depth[source] - 1)
            for level, point in enumerate(points, depth[source] + 1):
                layers[level].append(point)
            free += len(points)
            ways.append([source, *points, v])
    return layers, ways


def _neighbours(ways: Sequence[Sequence[int]]) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Of each vertex and point those above it and those below it."""
    above: dict[int, list[int]] = {}
    below: dict[int, list[int]] = {}
    for way in ways:
        for upper, lower in pairwise(way):
            above.setdefault(lower, []).append(upper)
            below.setdefault(upper, []).append(lower)
    return above, below


def _places(
    layers: list[list[int]], neighbours: tuple[dict[int, list[int]], dict[int, list[int]]], widths: Sequence[float]
) -> dict[int, float]:
    """The middle of each vertex and point, layers swept downwards and upwards in turn."""
    x: dict[int, float] = {}
    for layer in layers:
        _pack(layer, [0.0] * len(layer), widths, x)
    for sweep in range(SWEEPS):
        near = neighbours[sweep % 2]
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted = {v: sum(x[u] for u in near[v]) / len(near[v]) if v in near else x[v] for v in layer}
            layer.sort(key=lambda v: wanted[v])
            _pack(layer, [wanted[v] for v in layer], widths, x)
    return x


def _pack(layer: Sequence[int], wanted: Sequence[float], widths: Sequence[float], x: dict[int, float]) -> None:
    """Put a layer as near to the wanted places as its order and the widths allow."""
    places: list[float] = []
    for n, v in enumerate(layer):
        gap = BESIDE if n and widths[v] and widths[layer[n - 1]] else PASSING
        least = places[-1] + (widths[layer[n - 1]] + widths[v]) / 2 + gap if n else wanted[0]
        places.append(max(wanted[n], least))
    shift = sum(w - p for w, p in zip(wanted, places, strict=True)) / max(len(places), 1)
    x.update((v, place + shift) for v, place in zip(layer, places, strict=True))


def _edge(points: Sequence[tuple[float, float]]) -> str:
    """A smooth way from the bottom of the first to the top of the last, straight through what it passes."""
    x, y = points[0][0], points[0][1] + HIGH
    path = f"M{x:.1f} {y:.1f}"
    for n, (next_x, next_y) in enumerate(points[1:], 1):
        middle = (y + next_y) / 2
        path += f" C{x:.1f} {middle:.1f} {next_x:.1f} {middle:.1f} {next_x:.1f} {next_y:.1f}"
        x, y = next_x, next_y
        if n < len(points) - 1:
            y += HIGH
            path += f" L{x:.1f} {y:.1f}"
    tip = f"M{x - 4:.1f} {y - 7:.1f} L{x:.1f} {y:.1f} L{x + 4:.1f} {y - 7:.1f}"
    return f'<path d="{path} {tip}" fill="none" stroke="{PALE}" stroke-width="1.3"/>'


def _box(x: float, top: float, width: float, words: tuple[str, str], fill: str, corner: float) -> str:
    name, about = map(escape, words)
    middle = 'text-anchor="middle"'
    return (
        f'<rect x="{x - width / 2:.1f}" y="{top}" width="{width:.1f}" height="{HIGH}" rx="{corner}" fill="{fill}" '
        f'stroke="{PALE}"/>'
        f'<text x="{x:.1f}" y="{top + 17}" {middle} font-size="13" fill="{INK}">{name}</text>'
        f'<text x="{x:.1f}" y="{top + 32}" {middle} font-size="11" fill="{PALE}">{about}</text>'
    )
