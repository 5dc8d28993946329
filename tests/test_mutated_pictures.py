"""Two thousand damaged picture files: none crashes or hangs the reader, each gives pages or an error that names it."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from seqdl_vision import Letters, read_pictures
from seqdl_vision.letters import build

FILES = 2_000
SECONDS = 2.0  # of computing that a file may cost
MAX_PIXELS = 300_000  # damage in a header must not ask for more than this test has time for
LABELS = ("", *"abcdefghijklmnopqrstuvwxyz")


def letters() -> Letters:
    """A model that has learned nothing."""
    architecture = {"network": "residual", "width": 4}
    network = build(architecture, len(LABELS), np.random.default_rng(3)).eval()
    return Letters(network, architecture, LABELS)


def page(shift: int = 0) -> Image.Image:
    image = Image.new("RGB", (72, 40), (236, 232, 225))
    pen = ImageDraw.Draw(image)
    pen.ellipse((6 + shift, 8, 22 + shift, 32), None, (20, 20, 60), 3)
    pen.line((40 - shift, 6, 40 - shift, 32), (20, 20, 60), 3)
    return image


def whole_files() -> list[bytes]:
    """Files of the six kinds, in several modes and packings."""
    two = {"save_all": True, "append_images": [page(3)]}
    plans = [
        ("JPEG", "RGB", {}), ("JPEG", "L", {"progressive": True}), ("JPEG", "CMYK", {}),
        ("PNG", "RGB", {}), ("PNG", "P", {}), ("PNG", "RGBA", {}), ("PNG", "I;16", {}),
        ("TIFF", "RGB", {}), ("TIFF", "L", {"compression": "tiff_lzw", **two}),
        ("TIFF", "1", {"compression": "group4"}),
        ("GIF", "P", {}), ("GIF", "L", two), ("BMP", "RGB", {}), ("BMP", "P", {}),
        ("WEBP", "RGB", {}), ("WEBP", "RGBA", {"lossless": True}),
    ]  # fmt: skip
    files = []
    for kind, mode, options in plans:
        image = page().convert("L").convert("I;16") if mode == "I;16" else page().convert(mode)
        file = io.BytesIO()
        image.save(file, kind, **options)
        files.append(file.getvalue())
    return files


def damaged(content: bytes, draw: np.random.Generator) -> bytes:
    """`content` with some of its bits or bytes changed, cut short, or a piece of it lost, doubled or blanked."""
    raw = np.frombuffer(content, np.uint8).copy()
    near_start = draw.random() < 0.5  # where headers are
    last = min(len(raw), 64) if near_start else len(raw)
    at, length = int(draw.integers(0, last)), int(draw.integers(1, 24))
    how = draw.integers(0, 6)
    if how == 0:
        places = draw.integers(0, last, draw.integers(1, 5))
        raw[places] ^= np.uint8(1) << draw.integers(0, 8, len(places)).astype(np.uint8)
    elif how == 1:
        raw[at : at + length] = draw.integers(0, 256, len(raw[at : at + length]))
    elif how == 2:
        raw = raw[: draw.integers(0, len(raw))]
    elif how == 3:
        raw = np.delete(raw, np.s_[at : at + length])
    elif how == 4:
        raw = np.insert(raw, at, raw[at : at + length])
    else:
        raw[at : at + length] = draw.choice([0, 255])
    return raw.tobytes()


def outcomes(folder: Path, model: Letters, count: int) -> Iterator[tuple[str, float]]:
    """ "page" or "error" of each file, and the seconds of computing."""
    draw = np.random.default_rng(11)
    whole = whole_files()
    for number in range(count):
        path = folder / f"{number}"
        path.write_bytes(damaged(whole[number % len(whole)], draw))
        began = time.process_time()
        for reading in read_pictures([path], model, max_pixels=MAX_PIXELS):
            if reading.error is None:
                yield "page", time.process_time() - began
            else:
                assert str(reading.error).startswith(f"{path}: ")
                assert "\n" not in str(reading.error)
                yield "error", time.process_time() - began
        path.unlink()


def test_whole_files_are_read(tmp_path: Path) -> None:
    model = letters()
    for number, content in enumerate(whole_files()):
        (tmp_path / f"{number}").write_bytes(content)
        for reading in read_pictures([tmp_path / f"{number}"], model):
            assert reading.error is None
            assert (reading.result().width, reading.result().height) == (72, 40)


@pytest.mark.slow
def test_damaged_files_give_pages_or_errors(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    slowest = 0.0
    for outcome, seconds in outcomes(tmp_path, letters(), FILES):
        counts[outcome] += 1
        slowest = max(slowest, seconds)
    assert counts["page"] > FILES / 10
    assert counts["error"] > FILES / 10
    assert slowest < SECONDS
