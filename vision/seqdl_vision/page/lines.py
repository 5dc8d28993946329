"""Lines of writing: components on one baseline, from left to right.

Letters of a line share the zone between the baseline and the top of the small letters, so their boxes overlap
vertically, which the tails and ascenders of neighbouring lines do only a little. Neighbours that choose each other
make chains; chains whose zones go on in one another make lines; dots, commas and hyphens, too small to say where a
line is, join the nearest.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from seqdl_vision.page.components import BOTTOM, LEFT, RIGHT, TOP, Array, Components, letter_height
from seqdl_vision.page.cuts import cut_between_lines

SMALL = 0.4  # of a letter's height: a mark lower than this does not place a line
SHARED = 0.35  # of the lower one's height that two neighbours' boxes share at least
REACH = 8.0  # letter heights from a letter to the next at most
ZONE_SHARED = 0.5  # of the lower zone that two chains share if they are one line
TOWER = 1.5  # letter heights: what is higher may be letters of two lines that touch
NEXT, WHOLE = 2.0, 0.8  # letter heights to a letter of each line, and how much of their zones it fills at least
FRAGMENT = 0.75  # letter heights: one or two components smaller than this are no line
TORN = 0.6  # letter heights from such a part to its letter at most
STRAY = 1.0  # letter heights from the zone of a line at most for a small mark to belong to it


@dataclass
class TextLine:
    """members: numbers of components, from left to right. The zone of the letters at column x: top + slope * x to
    base + slope * x, medians over the letters; height: the typical height of its letters in pixels."""

    members: list[int]
    slope: float
    top: float
    base: float
    height: float

    def zone(self, x: float) -> tuple[float, float]:
        return self.top + self.slope * x, self.base + self.slope * x


def find_lines(components: Components) -> list[TextLine]:
    """The lines of a page, from top to bottom. Letters of two lines that touch are cut apart in `components`."""
    height = letter_height(components)
    _cut_towers(components, height)
    tall = components.heights >= SMALL * height
    return _found(components, np.flatnonzero(tall), np.flatnonzero(~tall), height)


def _cut_towers(components: Components, height: float) -> None:
    """Cut apart what stands in two lines that the lower letters make, or in more."""
    tower = components.heights > TOWER * height
    if not tower.any():
        return
    usual = np.flatnonzero((components.heights >= SMALL * height) & ~tower)
    lines = _found(components, usual, usual[:0], height)
    for n in np.flatnonzero(tower).tolist():
        for upper, lower in pairwise([line for line in lines if _stands_in(components, n, line)]):
            x = float(components.centres[n, 0])
            (_, base), (top, _) = upper.zone(x), lower.zone(x)
            part = cut_between_lines(components, n, base, top) if base < top else None
            n = n if part is None else part


def _stands_in(components: Components, n: int, line: TextLine) -> bool:
    """Whether a component stands in most of a line's zone, next to one of its letters."""
    left, top, right, bottom = components.boxes[n]
    boxes, (zone_top, base) = components.boxes[line.members], line.zone((left + right) / 2)
    beside = np.maximum(boxes[:, LEFT] - right, left - boxes[:, RIGHT]).min() <= NEXT * line.height
    return bool(beside and min(bottom, base) - max(top, zone_top) >= WHOLE * (base - zone_top))


def _found(components: Components, core: Array, small: Array, height: float) -> list[TextLine]:
    """The lines that `core` components make; those of `small` are added."""
    chains = _chains(components, core, height)
    slope = _page_slope(components, chains, height)
    lines = _merged([_fitted(components, chain, slope) for chain in chains], components, slope)
    lines = _without_fragments(lines, components, height)
    _add_small(lines, components, small)
    for line in lines:
        line.members.sort(key=lambda n: components.centres[n, 0])
    return sorted(lines, key=lambda line: line.zone(float(np.mean(components.centres[line.members, 0]))))


def one_line(components: Components) -> list[TextLine]:
    """All components as one line; none if there is none."""
    height = letter_height(components)
    core = np.flatnonzero(components.heights >= SMALL * height)
    if not len(core):
        return []
    line = _fitted(components, core.tolist(), 0.0)
    line.members = np.argsort(components.centres[:, 0], kind="stable").tolist()
    return [line]


def _chains(components: Components, core: Array, height: float) -> list[list[int]]:
    """Letters linked to the next one to the right where each is the other's nearest."""
    right, left = {}, {}
    cost = _link_costs(components.boxes[core].astype(np.float64), height)
    if len(core):
        best_right, best_left = cost.argmin(axis=1), cost.argmin(axis=0)
        for a, b in enumerate(best_right):
            if np.isfinite(cost[a, b]) and best_left[b] == a:
                right[a], left[b] = int(b), a
    chains = []
    for start in range(len(core)):
        if start not in left:
            chain = [start]
            while chain[-1] in right:
                chain.append(right[chain[-1]])
            chains.append([int(core[n]) for n in chain])
    return chains


def _link_costs(boxes: Array, height: float) -> Array:
    """(N, N): how far it is from a letter to another to its right; infinite where they cannot be neighbours."""
    heights, centres = boxes[:, BOTTOM] - boxes[:, TOP], (boxes[:, :2] + boxes[:, 2:]) / 2
    shared = np.minimum(boxes[:, None, BOTTOM], boxes[None, :, BOTTOM]) - np.maximum(
        boxes[:, None, TOP], boxes[None, :, TOP]
    )
    gap = boxes[None, :, LEFT] - boxes[:, None, RIGHT]
    rise = np.abs(centres[:, None, 1] - centres[None, :, 1])
    fits = (shared >= SHARED * np.minimum(heights[:, None], heights[None, :])) & (gap <= REACH * height)
    fits &= centres[None, :, 0] > centres[:, None, 0]
    return np.where(fits, np.maximum(gap, 0) + 0.5 * rise + 0.1 * np.abs(gap), np.inf)


def _page_slope(components: Components, chains: list[list[int]], height: float) -> float:
    """The slope that long chains agree on, 0 where there are none."""
    slopes = []
    for chain in chains:
        x, y = components.centres[chain].T
        if len(chain) >= 4 and np.ptp(x) >= 5 * height:
            slopes.append(_theil_sen(x, y))
    return float(np.median(slopes)) if slopes else 0.0


def _theil_sen(x: Array, y: Array) -> float:
    """Median slope over all pairs."""
    a, b = np.triu_indices(len(x), 1)
    apart = np.abs(x[a] - x[b]) > 0
    return float(np.median((y[b] - y[a])[apart] / (x[b] - x[a])[apart])) if apart.any() else 0.0


def _fitted(components: Components, members: list[int], page_slope: float) -> TextLine:
    """A line through its letters; a short one runs as the page does."""
    boxes = components.boxes[members].astype(np.float64)
    x, height = (boxes[:, LEFT] + boxes[:, RIGHT]) / 2, float(np.median(boxes[:, BOTTOM] - boxes[:, TOP]))
    slope = page_slope
    if len(members) >= 5 and np.ptp(x) >= 6 * height:
        slope = (_theil_sen(x, boxes[:, TOP]) + _theil_sen(x, boxes[:, BOTTOM])) / 2
    top, base = (float(np.median(boxes[:, side] - slope * x)) for side in (TOP, BOTTOM))
    return TextLine(list(members), slope, top, base, height)


def _merged(lines: list[TextLine], components: Components, page_slope: float) -> list[TextLine]:
    """Join the chains that are one line, the longest first."""
    lines = sorted(lines, key=lambda line: -len(line.members))
    done: list[TextLine] = []
    while lines:
        line, waiting = lines.pop(0), len(lines) + 1
        while len(lines) < waiting:  # a line that has grown may reach others
            waiting = len(lines)
            for other in sorted(lines, key=lambda other: _distance(line, other, components)):
                if _same_line(line, other, components):
                    lines.remove(other)
                    line = _fitted(components, line.members + other.members, page_slope)
                    break
        done.append(line)
    return done


def _spans(line: TextLine, other: TextLine, components: Components) -> tuple[Array, Array]:
    return components.union(line.members), components.union(other.members)


def _distance(line: TextLine, other: TextLine, components: Components) -> float:
    """Columns between two lines; 0 where one reaches into the other."""
    a, b = _spans(line, other, components)
    return float(max(0, b[LEFT] - a[RIGHT], a[LEFT] - b[RIGHT]))


def _same_line(line: TextLine, other: TextLine, components: Components) -> bool:
    """Whether the zones agree where the two come nearest."""
    a, b = _spans(line, other, components)
    x = (max(a[LEFT], b[LEFT]) + min(a[RIGHT], b[RIGHT])) / 2
    (top, base), (other_top, other_base) = line.zone(x), other.zone(x)
    shared = min(base, other_base) - max(top, other_top)
    return shared >= ZONE_SHARED * min(base - top, other_base - other_top)


def _without_fragments(lines: list[TextLine], components: Components, height: float) -> list[TextLine]:
    """Large dots and torn tails are no lines: give them to the line of the letter that they sit at."""
    kept = [line for line in lines if not _is_fragment(line, components, height)]
    for line in lines:
        if line not in kept and kept:
            box = components.union(line.members)
            nearest = min(kept, key=lambda other: _apart(box, components.boxes[other.members]))
            if _apart(box, components.boxes[nearest.members]) <= TORN * nearest.height:
                nearest.members += line.members
    return kept or lines


def _is_fragment(line: TextLine, components: Components, height: float) -> bool:
    """Whether a line is no more than a part of a letter: two components at most, both smaller than a letter."""
    sizes = components.boxes[line.members, 2:] - components.boxes[line.members, :2]
    return len(line.members) <= 2 and float(sizes.max()) < FRAGMENT * height


def _apart(box: Array, boxes: Array) -> float:
    """The distance from a box to the nearest of others, sideways counted double."""
    aside = np.maximum(np.maximum(boxes[:, LEFT] - box[RIGHT], box[LEFT] - boxes[:, RIGHT]), 0)
    over = np.maximum(np.maximum(boxes[:, TOP] - box[BOTTOM], box[TOP] - boxes[:, BOTTOM]), 0)
    return float((2 * aside + over).min())


def _add_small(lines: list[TextLine], components: Components, small: Array) -> None:
    """Give each small mark to the line it is nearest to, the one below before the one above; strays go to none."""
    for n in small:
        x, y = components.centres[n]
        distances = [_off_zone(line, float(x), float(y), components) for line in lines]
        if distances and min(distances) <= STRAY:
            lines[int(np.argmin(distances))].members.append(int(n))


def _off_zone(line: TextLine, x: float, y: float, components: Components) -> float:
    """Letter heights from a point to the line's zone; what is above it is nearer, as dots sit above their letters."""
    top, base = line.zone(x)
    span = components.union(line.members)
    aside = max(0.0, span[LEFT] - x - line.height, x - span[RIGHT] - line.height)
    return (max(0.0, 0.7 * (top - y), y - base) + aside) / line.height
