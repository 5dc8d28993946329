"""A print hand of our own: the way of the pen for letters, digits and a few signs, and how it shakes.

A sign is strokes parted by "|"; a stroke is points "x,y" in hundredths of a capital's height, y up from the baseline,
through which the pen goes in a smooth curve. At a point marked "*" it turns sharply.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

Array = np.ndarray

SIGNS = {
    "a": "44,42 30,51 12,44 3,24 10,4 26,2 40,20 45,48* 45,16 50,2 58,5",
    "b": "6,100 5,50 5,2* 6,30 20,49 38,44 44,24 34,4 16,1 5,12",
    "c": "44,40 32,50 14,46 3,26 10,5 28,0 45,10",
    "d": "42,40 28,50 12,45 3,24 10,4 25,1 40,16 44,60 45,100* 44,40 46,10 50,2 56,4",
    "e": "4,26 44,28* 40,46 24,52 8,42 3,22 12,4 28,0 46,10",
    "f": "46,92 36,101 24,94 21,70 21,30 20,0 | 4,52 40,54",
    "g": "44,42 30,51 12,44 4,26 12,8 28,8 42,24 46,48* 46,0 40,-30 22,-40 6,-30",
    "h": "6,100 6,50 5,0* 8,28 24,50 38,46 42,28 43,0",
    "i": "6,50 6,24 7,1 | 7,73 8,70",
    "j": "24,50 24,0 20,-28 8,-38 -4,-28 | 25,74 26,71",
    "k": "6,100 5,50 5,0 | 40,50 22,34 6,22* 22,16 44,0",
    "l": "6,100 5,50 6,14 14,1 24,5",
    "m": "5,50 5,0* 8,34 20,50 31,44 34,24 34,0* 37,34 50,50 61,44 64,24 64,0",
    "n": "5,50 5,0* 8,32 24,50 38,44 42,24 42,0",
    "o": "26,50 10,44 3,24 12,4 28,1 44,14 46,34 36,48 24,50",
    "p": "6,50 6,0 5,-42* 6,20 16,44 32,50 44,36 42,12 28,1 12,4 6,12",
    "q": "44,42 30,51 12,44 4,26 12,8 28,8 42,22 46,48* 46,0 46,-40 56,-30",
    "r": "6,50 6,24 6,0* 8,30 20,47 34,46",
    "s": "40,42 28,51 12,47 8,36 20,27 36,20 40,9 28,0 12,1 3,9",
    "t": "20,84 20,40 22,10 32,0 44,6 | 3,53 40,55",
    "u": "5,50 5,22 12,3 26,2 40,16 44,50* 44,18 48,2 56,4",
    "v": "3,50 14,22 22,1* 32,24 42,51",
    "w": "3,50 10,22 18,1* 26,22 32,40* 38,20 46,1* 56,24 62,50",
    "x": "4,49 24,24 44,0 | 42,50 22,24 3,0",
    "y": "4,50 10,28 22,8 | 44,50 26,6 8,-38",
    "z": "4,48 42,49* 22,24 3,1* 24,2 46,1",
    "A": "2,0 18,50 33,100* 48,52 64,0 | 12,36 54,38",
    "B": "6,98 6,50 5,1 | 5,98 34,100 50,86 44,62 22,54 6,53* 36,52 56,36 50,10 26,0 5,1",
    "C": "56,84 40,100 18,92 4,60 6,24 24,2 44,4 60,18",
    "D": "6,99 6,50 5,1 | 4,99 34,96 60,70 60,34 38,6 4,1",
    "E": "50,99 6,98* 6,50 5,1* 28,1 54,3 | 6,52 42,53",
    "F": "52,99 6,98* 6,50 5,0 | 6,54 42,55",
    "G": "56,84 40,100 16,90 3,56 8,18 28,1 50,10 58,42* 32,42",
    "H": "6,100 6,50 5,0 | 56,100 55,50 56,0 | 6,50 56,52",
    "I": "22,100 21,50 21,0 | 4,100 40,100 | 3,0 40,1",
    "J": "44,100 44,50 42,16 28,0 10,6 3,20 | 24,100 62,100",
    "K": "6,100 6,50 5,0 | 54,100 30,66 6,42* 32,24 60,0",
    "L": "6,100 6,50 5,1* 28,1 54,3",
    "M": "4,0 8,50 12,100* 26,60 40,26* 54,62 68,100* 72,50 76,0",
    "N": "5,0 5,50 6,100* 32,48 58,1* 59,50 60,100",
    "O": "34,100 12,86 3,50 12,14 34,0 56,14 66,50 56,86 34,100",
    "P": "6,100 6,50 5,0 | 4,98 32,100 54,86 50,60 28,48 6,48",
    "Q": "34,100 12,86 3,50 12,14 34,0 56,14 66,50 56,86 34,100 | 42,26 72,-8",
    "R": "6,100 6,50 5,0 | 4,98 32,100 52,86 48,60 28,50 6,49* 30,26 58,0",
    "S": "52,88 34,101 14,92 10,74 28,56 48,40 52,18 34,1 14,3 3,16",
    "T": "32,99 32,50 31,0 | 2,99 32,100 62,99",
    "U": "5,100 5,40 14,6 32,0 50,8 58,40 58,100",
    "V": "2,100 16,50 30,0* 44,50 58,100",
    "W": "2,100 12,50 20,0* 30,36 40,72* 50,36 60,0* 70,50 78,100",
    "X": "4,100 30,50 58,0 | 56,100 30,50 2,0",
    "Y": "2,100 16,74 30,50* 44,76 58,100 | 30,50 30,26 29,0",
    "Z": "4,98 56,99* 30,50 3,1* 30,1 60,3",
    "0": "30,100 12,88 4,50 12,12 28,0 46,12 54,50 46,86 30,100",
    "1": "6,78 24,100* 24,50 24,0",
    "2": "6,78 16,96 36,100 48,82 40,54 20,26 3,2* 28,2 54,3",
    "3": "8,90 24,100 44,94 46,72 32,56 18,54* 40,50 52,28 42,6 22,0 4,12",
    "4": "36,100 20,66 3,34* 30,34 58,36 | 42,62 42,30 41,0",
    "5": "46,99 12,98* 10,76 9,58* 28,64 48,52 50,24 36,2 18,0 4,10",
    "6": "44,96 24,84 8,50 6,20 20,1 40,6 48,26 38,46 20,44 8,28",
    "7": "4,98 28,99 52,99* 36,56 22,0",
    "8": "44,86 28,100 12,88 16,66 36,48 48,24 34,1 14,6 8,26 24,48 42,66 44,86",
    "9": "46,72 34,54 14,58 6,80 20,99 40,96 47,74* 44,36 36,0",
    ".": "4,2 6,1",
    ",": "8,4 7,-4 2,-16",
    "-": "4,28 34,29",
}


@dataclass(frozen=True)
class Hand:
    """How someone writes. Shares are of the height of a capital."""

    size: float  # height of a capital in pixels
    slant: float = 0.08  # to the right for each unit up
    shake: float = 0.012  # how far points lie off
    gap: float = 0.16  # between letters
    space: float = 0.62  # between words
    wander: float = 0.02  # how far the baseline goes up and down


def strokes(sign: str, hand: Hand, draw: np.random.Generator) -> list[Array]:
    """The strokes of a sign as dense points (P, 2) in pixels, x right, y down, the baseline's left end at 0, 0."""
    stretch = draw.normal(1, 0.04, 2)
    turn = draw.normal(0, 0.025)
    found = []
    for stroke in SIGNS[sign].split("|"):
        corners = [point.endswith("*") for point in stroke.split()]
        points = np.array([point.rstrip("*").split(",") for point in stroke.split()], float) / 100
        points = points * stretch + draw.normal(0, hand.shake, points.shape)
        points[:, 0] += (hand.slant + turn) * points[:, 1]
        points[:, 1] += turn * points[:, 0]
        found.append(_curve(points, corners) * (hand.size, -hand.size))
    return found


def _curve(points: Array, corners: list[bool]) -> Array:
    """A smooth way through the points, with Catmull and Rom's tangents; at corners the pen starts anew."""
    cuts = [0, *(at for at, corner in enumerate(corners) if corner and at), len(points) - 1]
    parts = [_spline(points[a : b + 1]) for a, b in pairwise(cuts) if b > a]
    return np.concatenate(parts)


def _spline(points: Array, steps: int = 12) -> Array:
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    before, first, second, after = (padded[at : len(padded) - 3 + at, None] for at in range(4))
    t = np.linspace(0, 1, steps)[:, None]
    way = first + 0.5 * t * (
        second
        - before
        + t * (2 * before - 5 * first + 4 * second - after + t * (3 * (first - second) + after - before))
    )
    return way.reshape(-1, 2)


def line(text: str, hand: Hand, draw: np.random.Generator) -> list[tuple[str, list[Array]]]:
    """The signs of a line with their strokes, the line's baseline starting at 0, 0."""
    x, found = 0.0, []
    phase = draw.uniform(0, 2 * np.pi)
    for sign in text:
        if sign == " ":
            x += hand.size * hand.space * draw.normal(1, 0.08)
            continue
        y = hand.size * hand.wander * (np.sin(phase + x / (6 * hand.size)) + draw.normal(0, 0.3))
        offset = np.array((x, y))
        placed = [points + offset for points in strokes(sign, hand, draw)]
        right = max(points[:, 0].max() for points in placed)
        left = min(points[:, 0].min() for points in placed)
        aside = np.array((x - min(left, x + 0.05 * hand.size), 0))
        placed = [points + aside for points in placed]
        found.append((sign, placed))
        x += right - left + hand.size * hand.gap * draw.normal(1, 0.15)
    return found
