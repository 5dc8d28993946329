"""Hits of a scan: one Arrow schema for motifs and learned sites, and the formats that people's tools read.

| format  | coordinates            | score column                                                       |
| ------- | ---------------------- | ------------------------------------------------------------------ |
| bed     | 0-based, half-open     | 0-1000: motifs -100 log10(p), sites 1000 x probability             |
| gff3    | 1-based, inclusive     | motifs -10 log10(p) as FIMO writes it, sites their probability     |
| tsv     | 1-based, inclusive     | motifs bits (FIMO's columns), sites their probability              |
| json    | 0-based, half-open     | bits or probability; one document a line, `schema` in each         |
| parquet | 0-based, half-open     | bits or probability; the convention stands in the columns' metadata |

The formats of text are made column by column in Arrow: a million hits take about a second.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO, Literal
from urllib.parse import quote

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from seqdl_data.dataset import DatasetInfo, parquet_writer

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray
Kind = Literal["motif", "site"]
FORMATS = ("bed", "gff3", "tsv", "parquet", "json")
ENDINGS = {".bed": "bed", ".gff3": "gff3", ".gff": "gff3", ".tsv": "tsv", ".txt": "tsv", ".parquet": "parquet",
           ".json": "json", ".jsonl": "json", ".ndjson": "json"}  # fmt: skip
DICTIONARY = ("sequence_name", "strand", "name", "alt_name")
ROW_GROUP = 1 << 17  # rows, whatever pieces and segments the hits came in: the same hits give the same file
ROWS_AT_ONCE = 1 << 18  # of text, some 30 MB
JSON_SCHEMA = "seqdl.hit/1"
FIMO_HEADER = "motif_id\tmotif_alt_id\tsequence_name\tstart\tstop\tstrand\tscore\tp-value\tq-value\tmatched_sequence\n"
SITE_HEADER = "site_type\tsequence_name\tstart\tstop\tstrand\tprobability\n"
SO_TERMS = {"donor": "five_prime_cis_splice_site", "acceptor": "three_prime_cis_splice_site"}  # Sequence Ontology
LETTERS = np.frombuffer(b"ACGTN", np.uint8)
COMPLEMENTS = np.frombuffer(b"TGCAN", np.uint8)


@cache
def hit_schema() -> pa.Schema:
    """The columns of a table of hits. Sites have no p-value, no q-value and no sequence: null."""
    import pyarrow as pa

    def field(name: str, kind: pa.DataType, nullable: bool = False, **about: str) -> pa.Field:
        return pa.field(name, kind, nullable, metadata=about)

    return pa.schema(
        [
            field("sequence_name", pa.string(), about="the record's name, up to the first blank"),
            field("start", pa.int64(), coordinates="0-based, half-open", about="first base of the hit"),
            field("end", pa.int64(), coordinates="0-based, half-open", about="the base after the last of the hit"),
            field("strand", pa.string(), about="+ or -"),
            field("name", pa.string(), about="motif, or kind of site (donor, acceptor)"),
            field("alt_name", pa.string(), about="the motif's other name, often empty"),
            field("score", pa.float64(), about="log-odds in bits for a motif, probability for a site"),
            field("p_value", pa.float64(), True, about="of a score at least as high, by chance at one place"),
            field("q_value", pa.float64(), True, about="Benjamini-Hochberg over all places tested for this motif"),
            field("matched_sequence", pa.string(), True, about="as the motif reads it: of the other strand on -"),
        ]
    )


def hit_table(
    sequence_names: Sequence[str],
    sequence: Array,
    start: Array,
    end: Array,
    minus: Array,
    names: Sequence[str],
    name: Array,
    score: Array,
    *,
    alt_names: Sequence[str] | None = None,
    p_value: Array | None = None,
    q_value: Array | None = None,
    matched_sequence: pa.Array | None = None,
) -> pa.Table:
    """A table of N hits from arrays (N,): `sequence` and `name` index the lists of names, `minus` is the strand."""
    import pyarrow as pa

    def chosen(index: Array, values: Sequence[str]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(index, pa.int32()), pa.array(values, pa.string())).cast("string")

    rows = len(start)
    columns = [
        chosen(sequence, sequence_names),
        pa.array(start, pa.int64()),
        pa.array(end, pa.int64()),
        chosen(minus, ["+", "-"]),
        chosen(name, names),
        chosen(name, [""] * len(names) if alt_names is None else alt_names),
        pa.array(score, pa.float64()),
        pa.nulls(rows, pa.float64()) if p_value is None else pa.array(p_value, pa.float64()),
        pa.nulls(rows, pa.float64()) if q_value is None else pa.array(q_value, pa.float64()),
        pa.nulls(rows, pa.string()) if matched_sequence is None else matched_sequence,
    ]
    return pa.Table.from_arrays(columns, schema=hit_schema())


def matched_sequences(codes: Array, start: Array, width: Array, minus: Array) -> pa.Array:
    """The bases codes[start:start + width] of each hit as text, those on the other strand reverse-complemented."""
    import pyarrow as pa

    longest = int(width.max(initial=0))
    rows = np.empty((len(start), longest), np.uint8)
    for one in np.unique(width):  # whole rows of one width at a time: five times faster than base by base
        for strand, letters in ((False, LETTERS), (True, COMPLEMENTS)):
            which = np.flatnonzero((width == one) & (minus == strand))
            bases = letters[sliding_window_view(codes, one)[start[which]]]
            rows[which, :one] = bases[:, ::-1] if strand else bases
    text = rows[np.arange(longest) < width[:, None]]
    offsets = np.concatenate([[0], np.cumsum(width)]).astype(np.int32)
    return pa.StringArray.from_buffers(len(width), pa.py_buffer(offsets), pa.py_buffer(text))


# Text


def header(form: str, kind: Kind) -> bytes:
    """What stands before the rows of a format of text."""
    if form == "tsv":
        return (FIMO_HEADER if kind == "motif" else SITE_HEADER).encode()
    return b"##gff-version 3\n" if form == "gff3" else b""


def text_rows(form: str, kind: Kind, table: pa.Table) -> Iterator[bytes]:
    """The rows of a table (see `hit_schema`) in a format of text, in pieces of some MB."""
    columns = {"bed": _bed, "gff3": _gff3, "tsv": _tsv, "json": _json}[form]
    for at in range(0, table.num_rows, ROWS_AT_ONCE):
        rows = table.slice(at, ROWS_AT_ONCE).combine_chunks()
        yield _lines(columns(rows, kind), "" if form == "json" else "\t")


def _lines(columns: list[Any], separator: str) -> bytes:
    """One line for each row; the columns are string arrays, or a text that is the same in each row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    replace = {"null_handling": "replace", "null_replacement": ""}
    parts = [pa.scalar(column) if isinstance(column, str) else column for column in columns]
    lines = pc.binary_join_element_wise(*parts, separator, **replace)
    ended = pc.binary_join_element_wise(lines, "", "\n")
    # The text of a string array lies in one piece, row after row.
    array = ended.combine_chunks() if isinstance(ended, pa.ChunkedArray) else ended
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
    return array.buffers()[2].to_pybytes()[offsets[0] : offsets[-1]]


def _each(column: Any, text: Callable[[Any], str]) -> pa.Array:
    """`text` of each value; called once for each value that differs, so a slow one does no harm."""
    import pyarrow as pa

    coded = column.combine_chunks().dictionary_encode()
    coded = coded.chunk(0) if isinstance(coded, pa.ChunkedArray) else coded
    values = pa.array([text(value) for value in coded.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(coded.indices, values).cast("string")


def _figure(column: Any, digits: int) -> pa.Array:
    return _each(column, f"%.{digits}g".__mod__)


def _integer(column: Any, plus: int = 0) -> pa.Array:
    import pyarrow.compute as pc

    return pc.add(column.combine_chunks(), plus).cast("string")


def _decibels(p: float) -> float:
    """-10 log10(p), 1000 at most: what FIMO writes as the score in GFF3."""
    return min(1000.0, -10 * math.log10(p)) if p > 0 else 1000.0


def _one_line(text: str) -> str:
    """A name for a table: what would end a cell or a line becomes a blank."""
    return re.sub(r"[\x00-\x1f\x7f]", " ", text)


def _bed(rows: pa.Table, kind: Kind) -> list[Any]:
    def name(text: str) -> str:
        return re.sub(r"[\x00-\x20\x7f]", "_", text) or "."  # readers of BED split at any blank

    def score(value: float) -> str:
        return str(round(10 * min(100.0, _decibels(value)) if kind == "motif" else 1000 * value))

    return [
        _each(rows["sequence_name"], name),
        _integer(rows["start"]),
        _integer(rows["end"]),
        _each(rows["name"], name),
        _each(rows["p_value" if kind == "motif" else "score"], score),
        rows["strand"],
    ]


def _gff3(rows: pa.Table, kind: Kind) -> list[Any]:
    """The nine columns. Percent-encoding as the GFF3 specification has it, 1.26."""
    import pyarrow.compute as pc

    def attribute_text(text: str) -> str:
        return quote(text, safe=" !\"#$'()*+-./:<>?@[\\]^_`{|}~")  # not: control characters % & , ; =

    def labelled(label: str, values: pa.Array) -> pa.Array:
        return pc.binary_join_element_wise(label, values, "")  # null where there is no value

    seqid = _each(rows["sequence_name"], lambda text: quote(text, safe=".:^*$@!+_?-|") or ".")
    start, name = _integer(rows["start"], 1), _each(rows["name"], attribute_text)
    where = _each(rows["sequence_name"], attribute_text)
    # From the hit's place, not counted: the files of several shards can be put together.
    place = pc.binary_join_element_wise(start, _integer(rows["end"]), rows["strand"].combine_chunks(), "-")
    attributes = [pc.binary_join_element_wise(labelled("ID=", name), where, place, ":"), labelled("Name=", name)]
    if kind == "motif":
        aliases = _each(rows["alt_name"], lambda text: f";Alias={attribute_text(text)}" if text else "")
        attributes[-1] = pc.binary_join_element_wise(attributes[-1], aliases, "")
        attributes += [
            labelled("score=", _figure(rows["score"], 6)),
            labelled("pvalue=", _figure(rows["p_value"], 3)),
            labelled("qvalue=", _figure(rows["q_value"], 3)),
            labelled("sequence=", rows["matched_sequence"].combine_chunks()),
        ]
        score = _each(rows["p_value"], lambda p: f"{_decibels(p):.3g}")
        term: Any = "nucleotide_motif"
    else:
        score = _figure(rows["score"], 6)
        term = _each(rows["name"], lambda name: SO_TERMS.get(name, "nucleotide_motif"))
    return [
        seqid,
        "seqdl",
        term,
        start,
        _integer(rows["end"]),
        score,
        rows["strand"],
        ".",
        pc.binary_join_element_wise(*attributes, ";", null_handling="skip"),
    ]


def _tsv(rows: pa.Table, kind: Kind) -> list[Any]:
    name, sequence = _each(rows["name"], _one_line), _each(rows["sequence_name"], _one_line)
    start, stop = _integer(rows["start"], 1), _integer(rows["end"])
    if kind == "site":
        return [name, sequence, start, stop, rows["strand"], _figure(rows["score"], 6)]
    return [
        name,
        _each(rows["alt_name"], _one_line),
        sequence,
        start,
        stop,
        rows["strand"],
        _figure(rows["score"], 6),
        _figure(rows["p_value"], 3),
        _figure(rows["q_value"], 3),
        rows["matched_sequence"],
    ]


def _json(rows: pa.Table, kind: Kind) -> list[Any]:
    columns: list[Any] = [f'{{"schema": {json.dumps(JSON_SCHEMA)}']
    for name in rows.column_names if kind == "motif" else ("sequence_name", "start", "end", "strand", "name", "score"):
        columns += [f', "{name}": ', _document(rows[name])]
    return [*columns, "}"]


def _document(column: Any) -> pa.Array:
    import pyarrow as pa

    values = _integer(column) if pa.types.is_integer(column.type) else _each(column, json.dumps)
    return values.fill_null("null")


# Files


def write_hits(
    target: BinaryIO, form: str, kind: Kind, tables: Iterable[pa.Table], *, headed: bool = True, source: str = ""
) -> None:
    """Write tables of hits to a stream in one of FORMATS, `headed` with what stands before the rows.

    Nothing is written before the first table is there. Parquet has row groups of one size and says nothing of when
    it was made: the same hits give the same bytes, whatever tables they come in.
    """
    if form == "parquet":
        info = DatasetInfo(name="hits", kind=f"hits of {kind}s", counts={}, source=source, created="")
        with parquet_writer(target, hit_schema(), info, dictionary=DICTIONARY) as writer:
            for group in row_groups(tables):
                writer.write_table(group)
        return
    stream = iter(tables)
    first = next(stream, None)
    target.write(header(form, kind) if headed else b"")
    for table in chain([] if first is None else [first], stream):
        for rows in text_rows(form, kind, table):
            target.write(rows)
        target.flush()


def row_groups(tables: Iterable[pa.Table], rows: int = ROW_GROUP) -> Iterator[pa.Table]:
    """The same rows in tables of `rows` each, the last one shorter."""
    import pyarrow as pa

    waiting: list[pa.Table] = []
    held = 0
    for table in tables:
        waiting.append(table)
        held += table.num_rows
        while held >= rows:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, rows).combine_chunks()
            waiting, held = [whole.slice(rows)], held - rows
    if held:
        yield pa.concat_tables(waiting).combine_chunks()
