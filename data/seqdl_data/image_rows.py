"""Characters in memory, and as the rows of a dataset, which `seqdl_data.images` reads and writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seqdl_data.strokes import Strokes

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray
SIDE = 28


@dataclass(frozen=True)
class ImageSet:
    """Characters in memory.

    images (N, 28, 28) uint8; labels (N,) int64, index into `classes`; writers (N,) of str, "" unknown; strokes of all
    N characters (a character without has none) or None.
    """

    images: Array
    labels: Array
    classes: tuple[str, ...]
    writers: Array
    strokes: Strokes | None = None

    def __len__(self) -> int:
        return len(self.images)

    def select(self, rows: Array | slice) -> ImageSet:
        """The characters at `rows`: indices, a mask or a slice."""
        strokes = None if self.strokes is None else self.strokes.select(np.arange(len(self))[rows])
        return ImageSet(self.images[rows], self.labels[rows], self.classes, self.writers[rows], strokes)

    def batches(self, size: int, generator: np.random.Generator | None = None) -> Iterator[ImageSet]:
        """One epoch: sets of `size` characters, the last one perhaps of fewer; in a new order where a generator is
        given. ValueError for a size below 1.
        """
        if size < 1:
            raise ValueError(f"batches of {size} characters")
        order = np.arange(len(self)) if generator is None else generator.permutation(len(self))
        for at in range(0, len(self), size):
            yield self.select(order[at : at + size])


def joined(pieces: Sequence[ImageSet]) -> ImageSet:
    """The pieces, one at least and all of the same classes, as one set."""
    if len(pieces) == 1:
        return pieces[0]
    strokes = [piece.strokes or Strokes.none(len(piece)) for piece in pieces]
    return ImageSet(
        np.concatenate([piece.images for piece in pieces]),
        np.concatenate([piece.labels for piece in pieces]),
        pieces[0].classes,
        np.concatenate([piece.writers for piece in pieces]),
        Strokes.joined(strokes) if any(piece.strokes is not None for piece in pieces) else None,
    )


def schema_of(strokes: bool) -> pa.Schema:
    """The columns, with or without the two of the pen."""
    import pyarrow as pa

    pen = [
        pa.field("points", pa.list_(pa.float32()), nullable=False),
        pa.field("strokes", pa.list_(pa.int32()), nullable=False),
    ]
    return pa.schema(
        [
            pa.field("image", pa.binary(SIDE * SIDE), nullable=False),
            pa.field("label", pa.int16(), nullable=False),
            pa.field("writer", pa.string(), nullable=False),
            *(pen if strokes else ()),
            pa.field("split", pa.string(), nullable=False),
        ]
    )


def to_table(rows: ImageSet, split: str, schema: pa.Schema) -> pa.Table:
    """Characters of one split as rows."""
    import pyarrow as pa

    assert rows.images.shape[1:] == (SIDE, SIDE), rows.images.shape
    assert rows.images.dtype == np.uint8, rows.images.dtype
    pixels = pa.py_buffer(np.ascontiguousarray(rows.images))
    columns = {
        "image": pa.FixedSizeBinaryArray.from_buffers(pa.binary(SIDE * SIDE), len(rows), [None, pixels]),
        "label": rows.labels.astype(np.int16),
        "writer": rows.writers,
        "split": [split] * len(rows),
    }
    if "points" in schema.names:
        columns |= (rows.strokes or Strokes.none(len(rows))).to_columns()
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def from_table(table: pa.Table, classes: tuple[str, ...]) -> ImageSet:
    """The characters in rows, copied."""
    image = table.column("image").combine_chunks()
    pixels = np.frombuffer(image.buffers()[1], np.uint8, count=len(table) * SIDE * SIDE, offset=image.offset * SIDE**2)
    strokes = Strokes.from_columns(table) if "points" in table.column_names else None
    return ImageSet(
        pixels.reshape(-1, SIDE, SIDE).copy(),
        table.column("label").to_numpy().astype(np.int64),
        classes,
        table.column("writer").to_numpy(zero_copy_only=False).astype(object),
        strokes,
    )
