"""Count and frequency matrices as text: TRANSFAC, JASPAR, PFM in rows or columns, Cluster-Buster, CIS-BP.

Read here rather than with Bio.motifs: its parsers tell neither line nor reason when a file is wrong, the one
for TRANSFAC stops at JASPAR's own files unless told to be lenient, and each must be told which format it is to meet.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from seqdl_data.motif_record import BASES, IUPAC, MotifRecord, Source, sites_of

TRANSFAC_START = re.compile(r"(AC|ID|VV|NA|DE|XX)(\s|$)|P[0O]\s")
PUNCTUATION = str.maketrans("[]|", "   ")
POSITION_WORDS = {"POS", "PO", "P0", "POSITION"}
CIS_BP_KEYS = ("TF", "TF Name", "Gene", "Motif", "Family", "Species")


def is_transfac(source: Source) -> bool:
    content = [line for line in source.lines if line.strip()][:30]
    return bool(TRANSFAC_START.match(content[0])) and any(re.match(r"P[0O]\s|//", line) for line in content)


def read_transfac(source: Source) -> list[MotifRecord]:
    """The entries that hold a matrix. Id: AC, else ID; alternate name: ID, else NA, where it says something else.

    The letter that may end a line, the consensus, is passed over.
    """
    records: list[MotifRecord] = []
    names: dict[str, str] = {}
    order: list[str] | None = None
    rows: list[list[str]] = []
    places: list[int] = []
    start = 0

    def close() -> None:
        if order is not None:
            records.append(_transfac_motif(source, names, order, rows, places or start))

    for index, line in enumerate(source.lines):
        key = line[:2]
        if key == "//":
            close()
            names, order, rows, places = {}, None, [], []
        elif key in ("P0", "PO"):
            order, start = [word.upper().replace("U", "T") for word in line.split()[1:5]], index
            if sorted(order) != list(BASES):
                raise source.error(index, f"expected the columns A C G T, found {' '.join(line.split()[1:])!r}")
        elif order is not None and line[:1].isdigit():
            rows.append(line.split()[1:])
            places.append(index)
        elif key in ("AC", "ID", "NA"):
            names[key] = " ".join(line[2:].split())
    close()
    return records


def _transfac_motif(
    source: Source, names: dict[str, str], order: list[str], rows: list[list[str]], places: list[int] | int
) -> MotifRecord:
    known = [names[key] for key in ("AC", "ID", "NA") if names.get(key)]
    name = known[0] if known else source.stem
    alt = next((other for other in known if other != name), "")
    columns = [order.index(base) for base in BASES]
    values = []
    for k, words in enumerate(rows):
        numbers = source.numbers(places[k] if isinstance(places, list) else places, words[:4])
        values.append([numbers[column] for column in columns] if len(numbers) == 4 else numbers)
    matrix = source.matrix(name, values, places)
    return MotifRecord(name, alt, matrix, sites_of(matrix), None)


@dataclass
class _Block:
    """The lines of one matrix."""

    line: int
    name: str = ""
    alt: str = ""
    order: str = ""  # bases of the columns, if a line names them
    numbered: bool = False  # each row begins with its position
    labels: list[str] = field(default_factory=list)
    rows: list[list[float]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)


def read_matrices(source: Source) -> list[MotifRecord]:
    """Matrices one after the other, each after a line `>id name` or, alone or between blank lines, without.

    Rows `A [ 4 19 ... ]` in any order of the letters; or four plain rows A C G T; or a row for each position,
    with a line `Pos A C G T` or without. Which way plain rows lie is decided for the file as a whole.
    """
    blocks = _blocks(source)
    across = _rows_are_bases([b for b in blocks if not b.labels and not b.order])
    unnamed = sum(not block.name for block in blocks)
    records, count = [], 0
    for block in blocks:
        if not block.name:
            count += 1
            block.name = source.stem if unnamed == 1 else f"{source.stem}-{count}"
        rows, places = _positions(source, block, across)
        matrix = source.matrix(block.name, rows, places)
        records.append(MotifRecord(block.name, block.alt, matrix, sites_of(matrix), None))
    return records


def can_begin(line: str) -> bool:
    """Whether the first line of content, neither comment nor `>name`, can belong to a matrix."""
    words = line.translate(PUNCTUATION).split()
    numbers = words[1:] if words and words[0].upper() in IUPAC else words
    return bool(words) and (
        all(re.fullmatch(r"[-+.\deEnaifNAIF]+", word) for word in numbers)
        or bool(_order(words))
        or _cis_bp_key(line) is not None
    )


def _cis_bp_key(line: str) -> str | None:
    return next((key for key in CIS_BP_KEYS if line.startswith((f"{key}\t", f"{key} "))), None)


def _blocks(source: Source) -> list[_Block]:
    blocks: list[_Block] = []
    fresh = True  # the next line of numbers begins a matrix
    for index, line in enumerate(source.lines):
        line = line.strip()
        if not line:
            fresh = fresh or bool(blocks[-1].rows)
        elif line.startswith("#"):
            continue
        elif line.startswith(">"):
            words = line[1:].split(None, 1) or [""]
            blocks.append(_Block(index, words[0], words[1].strip() if len(words) > 1 else ""))
            fresh = False
        else:
            words = line.translate(PUNCTUATION).split()
            if fresh or (blocks[-1].rows and _begins_another(blocks[-1], words)):
                blocks.append(_Block(index))
                fresh = False
            _add(source, blocks[-1], index, words)
    return blocks


def _begins_another(block: _Block, words: list[str]) -> bool:
    label = words[0].upper()
    return bool(_order(words)) or (label in IUPAC and label.replace("U", "T") in block.labels)


def _add(source: Source, block: _Block, index: int, words: list[str]) -> None:
    label = words[0].upper().replace("U", "T")
    if order := _order(words):
        block.order, block.numbered = order, label in POSITION_WORDS
        return
    line = source.lines[index].strip()
    if not block.rows and (key := _cis_bp_key(line)):
        if key == "Motif" or not block.name:
            block.name = words[-1]
        return
    if label in BASES:
        block.labels.append(label)
    elif block.labels:
        raise source.error(index, f"expected the row of one of A C G T, found {line[:40]!r}")
    skipped = label in BASES or block.numbered
    block.rows.append(source.numbers(index, words[skipped:]))
    block.places.append(index)


def _order(words: list[str]) -> str:
    """The bases if `words` name the columns, with or without a word for the position before them."""
    letters = [word.upper().replace("U", "T") for word in words]
    letters = letters[1:] if letters[0] in POSITION_WORDS else letters
    return "".join(letters) if sorted(letters) == list(BASES) else ""


def _rows_are_bases(blocks: Sequence[_Block]) -> bool:
    """Whether plain rows are the bases A C G T (else the positions).

    Where all are 4 x 4 both would do: then the bases are what adds up to the same for every position; if both
    do or none, the four rows of a JASPAR file are the more common.
    """
    filled = [block for block in blocks if block.rows]
    tall = sum(len(block.rows) != 4 for block in filled)
    if any(len(row) != 4 for block in filled for row in block.rows):
        return 2 * tall <= len(filled)  # one wrong matrix does not turn the others around
    return not tall and all(_even(zip(*b.rows, strict=True)) >= _even(b.rows) for b in filled)


def _even(rows: object) -> bool:
    sums = [sum(row) for row in rows]  # type: ignore[attr-defined]
    return max(sums) - min(sums) <= 1e-3 * max(max(sums), 1e-9)


def _positions(source: Source, block: _Block, across: bool) -> tuple[list[list[float]], list[int] | int]:
    """A row for each position, bases in the order A C G T, and the lines they stand on."""
    order = block.order or BASES
    if block.labels:
        order = "".join(block.labels)
        if sorted(order) != list(BASES):
            raise source.error(block.line, f"motif {block.name}: rows {' '.join(order)}, expected one each of A C G T")
    elif block.order or not across:
        if block.order and all(len(row) == 4 for row in block.rows):
            return [[row[order.index(base)] for base in BASES] for row in block.rows], block.places or block.line
        return block.rows, block.places or block.line
    if not block.rows:
        return [], block.line
    if len(block.rows) != 4:
        raise source.error(block.line, f"motif {block.name}: {len(block.rows)} rows, expected four (A C G T)")
    rows = [block.rows[order.index(base)] for base in BASES]
    for base, row in zip(BASES, rows, strict=True):
        if len(row) != len(rows[0]):
            place = block.places[order.index(base)]
            raise source.error(place, f"motif {block.name}: row {base} has {len(row)} numbers, row A {len(rows[0])}")
    return [list(column) for column in zip(*rows, strict=True)], block.line
