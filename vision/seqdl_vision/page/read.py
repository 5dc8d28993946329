"""Reading a page: ink, components, lines, pieces, the best path through them, words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seqdl_vision.letters import Letters
from seqdl_vision.page.components import BOTTOM, LEFT, RIGHT, TOP, Array, Components, find_components
from seqdl_vision.page.crops import Cropper, fitted
from seqdl_vision.page.decide import Alphabet, choose
from seqdl_vision.page.ink import Ink, find_ink
from seqdl_vision.page.lattice import best_path, segments
from seqdl_vision.page.lines import TextLine, find_lines
from seqdl_vision.page.pieces import Piece, line_pieces
from seqdl_vision.page.result import Box, Character, Line, Page, Word
from seqdl_vision.page.slant import find_slant
from seqdl_vision.page.words import threshold

Debug = Callable[[str, Array], None]
MARK = -1.0


@dataclass(frozen=True)
class ReadOptions:
    psm: int = 3
    min_confidence: float = 0.0
    unknown: str = "?"
    symbols: str = "0123456789abcdefghijklmnopqrstuvwxyz"


def read_page(photo: Array, letters: Letters, options: ReadOptions | None = None, *, debug: Debug | None = None) -> Page:
    options = options or ReadOptions()
    ink = find_ink(photo, debug=debug)
    return read_ink(ink, letters, options, photo.shape)


def read_ink(ink: Ink, letters: Letters, options: ReadOptions, shape, trace=None) -> Page:
    components = find_components(ink.mask, ink.stroke)
    lines = find_lines(components)
    slant = find_slant(components, lines)
    cut = np.ones(len(components), bool)
    pieces = [line_pieces(components, line, slant, cut) for line in lines]
    runs = [segments(p, line) for p, line in zip(pieces, lines)]
    crop = Cropper(components, ink.grey)
    images = [fitted(crop([m for p in ps[s.first:s.last] for m in p.members])) for ps, rs in zip(pieces, runs) for s in rs]
    alphabet = Alphabet(letters.labels, options.symbols)
    raw = letters.probabilities(np.stack(images)) if images else np.zeros((0, len(letters.labels)), np.float32)
    chances = alphabet.of(raw)
    at, read = 0, []
    for line, ps, rs in zip(lines, pieces, runs):
        mine = chances[at : at + len(rs)]
        scores = np.log(np.maximum(mine.max(axis=1), 1e-4)) if len(rs) else np.zeros(0)
        for k, s in enumerate(rs):
            if ps[s.first].mark:
                scores[k] = MARK
        path = best_path(len(ps), rs, scores)
        read.append((line, ps, [rs[k] for k in path], mine[path], path))
        if trace is not None: trace.append((line, ps, rs, raw[at:at+len(rs)], scores, path))
        at += len(rs)
    gaps = []
    for line, ps, path, _, _ in read:
        path = [s for s in path if not ps[s.first].mark]
        for a, b in zip(path, path[1:]):
            gaps.append((ps[b.first].left - max(p.right for p in ps[a.first:a.last])) / line.height)
    limit = threshold(np.array(gaps))
    out = []
    for line, ps, path, ch, _ in read:
        words, word = [], []
        last = None
        for s, c in zip(path, ch):
            if ps[s.first].mark: continue
            left = ps[s.first].left; right = max(p.right for p in ps[s.first:s.last])
            if last is not None and (left - last)/line.height > limit:
                words.append(word); word = []
            word.append((s, c)); last = right
        if word: words.append(word)
        ws = []
        for word in words:
            c = np.stack([c for _, c in word]); pick = choose(c, alphabet.digit)
            chars = []
            for (s, c), k in zip(word, pick):
                l, t, r, b = components.union([m for p in ps[s.first:s.last] for m in p.members]).tolist()
                order = np.argsort(-c)[:5]
                chars.append(Character(alphabet.characters[k], ink.to_photo(Box(l,t,r,b)), float(c[k]), tuple((alphabet.characters[j], float(c[j])) for j in order)))
            ws.append(Word(tuple(chars)))
        if ws: out.append(Line(tuple(ws)))
    return Page(tuple(out), shape[1], shape[0], ink.notes)
