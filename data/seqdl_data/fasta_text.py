"""FASTA as text: the records in a stream of blocks, their letters as codes, the place of each fault."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from seqdl_data.errors import InputError
from seqdl_data.nucleotides import BAD, CODES
from seqdl_data.sources import peek, refuse_foreign

BLANKS = b" \t\r\n\v\f"
HEADER_LIMIT = 1 << 20  # bytes; NCBI's longest merged header lines are a few hundred thousand

ADVICE = {
    **dict.fromkeys("EFILOPQZ", "this looks like protein, and DNA is needed"),
    **dict.fromkeys("-.*", "a gap, pad or stop; take them out of the sequence"),
    "X": "write N for a masked base",
    ">": "a record must begin its line",
    ";": "take out comment lines that begin with ;",
}


LETTERS = bytes(letter for letter in range(256) if CODES[letter] != BAD)


class Chunk(NamedTuple):
    """Some of the text of one record; each record has one or more."""

    record: str
    raw: bytes  # letters, line ends and blanks; a line end is never the last thing in it, nor cut in two
    offset: int  # of raw[0] in the unpacked file
    ended: bool  # the record's last one


class FastaText:
    """The records in a stream of blocks.

    InputError, with file and line, when reading gets to: no records at all, anything but blanks before the first
    `>`, a record without a name or with the name of another. Memory: one block, and all names.
    """

    def __init__(self, blocks: Iterator[bytes], name: str) -> None:
        self.name = name
        self._blocks = blocks
        self._names: set[str] = set()
        self._record = ""  # the one that is being read; none has an empty name
        # A line end that stands before the file lets each header be found as the ">" after a line end.
        self._block = b"\n"
        self._offset = -1
        self._line = 0  # line ends before this block

    def chunks(self) -> Iterator[Chunk]:
        head, blocks = peek(self._blocks)
        refuse_foreign(head, self.name)
        for block in blocks:
            if self._offset < 0 and block.startswith(b"\xef\xbb\xbf"):  # a byte order mark, from some editors
                block, self._offset = block[3:], 2
            self._block += block
            end = _settled(self._block)
            yield from self._parsed(end)
            self._drop(end)
            if len(self._block) > HEADER_LIMIT:
                raise self._header_error(self._block, "a header line of more than 1 MiB")
        if self._block.startswith(b"\n>"):
            self._block += b"\n"  # a header is the last thing in the file
        yield from self._parsed(len(self._block), final=True)
        if not self._record:
            raise InputError(
                f"{self.name}: {'nothing but blanks' if head else 'empty'}; FASTA is needed, which begins with >NAME"
            )

    def codes(self, chunk: Chunk, position: int) -> bytes:
        """The codes of the latest chunk; `position` is that of its first base in the record, for messages."""
        codes = chunk.raw.translate(CODES, BLANKS)
        if BAD in codes:
            at = codes.index(BAD)
            line = self._line_at(chunk.offset - self._offset + raw_index(chunk.raw, at))
            raise bad_letter(f"{self.name}:{line}", chunk.record, position + at, chunk.raw)
        return codes

    def _parsed(self, end: int, final: bool = False) -> Iterator[Chunk]:
        block, offset = self._block, self._offset
        header = _find_header(block, 0, end)
        raw = block[: end if header < 0 else header - 1]
        if self._record:
            yield Chunk(self._record, raw, offset, header >= 0 or final)
        elif raw.strip(BLANKS):
            raise self._headless(raw)
        while header >= 0:
            start = block.index(b"\n", header) + 1
            self._record = self._new_name(block[header + 1 : start - 1], header)
            header = _find_header(block, start, end)
            stop = end if header < 0 else header - 1
            yield Chunk(self._record, block[start:stop], offset + start, header >= 0 or final)

    def _new_name(self, line: bytes, at: int) -> str:
        words = line.split(None, 1)  # blanks between > and the name do not count, as in samtools and Biopython
        if not words:
            raise InputError(f"{self.name}:{self._line_at(at)}: a record without a name; give it one after the >")
        if b"\r" in line:
            self._refuse_lone_returns(line)
        name = words[0].decode(errors="backslashreplace")
        if name in self._names:
            raise InputError(
                f"{self.name}:{self._line_at(at)}: a second record named {name}; "
                "names are the first word after > and must differ"
            )
        self._names.add(name)
        return name

    def _refuse_lone_returns(self, line: bytes) -> None:
        if b"\r" in line.rstrip(b"\r"):
            raise self._header_error(line, "a carriage return inside a header line")

    def _header_error(self, line: bytes, what: str) -> InputError:
        if b"\r" in line:  # otherwise the whole file would be one header, with no sequence
            what = "lines end in single carriage returns; write them anew: tr '\\r' '\\n' < FILE > plain.fa"
        return InputError(f"{self.name}: {what}")

    def _headless(self, raw: bytes) -> InputError:
        found = raw.lstrip(BLANKS)
        line = self._line_at(len(raw) - len(found))
        if found.startswith(b";"):
            advice = "take out comment lines that begin with ;"
        elif not found.split(b"\n")[0].strip(BLANKS).translate(None, LETTERS):
            advice = "put a line with >NAME before the sequence"
        else:
            advice = "is this FASTA?"
        start = found[:20].split(b"\n")[0].decode("ascii", "replace").rstrip()
        return InputError(f"{self.name}:{line}: expected >NAME before the first sequence, found {start!r}; {advice}")

    def _line_at(self, index: int) -> int:
        return self._line + self._block.count(b"\n", 0, index)

    def _drop(self, end: int) -> None:
        # numpy counts three times as fast as bytes.count
        self._line += int(np.count_nonzero(np.frombuffer(self._block, np.uint8, end) == ord("\n"))) if end else 0
        self._offset += end
        self._block = self._block[end:]


def _settled(block: bytes) -> int:
    """How much of a block can be used: not a line end that is last, nor a header that may go on."""
    ends = 2 if block.endswith(b"\r\n") else 1 if block.endswith((b"\n", b"\r")) else 0
    end = len(block) - ends
    line = block.rfind(b"\n", 0, end)
    return line if line >= 0 and block.startswith(b">", line + 1) else end


def _find_header(block: bytes, start: int, end: int) -> int:
    """Where the next ">" stands that follows a line end, -1 if none does."""
    found = block.find(b">", start, end)
    while found == 0 or (found > 0 and block[found - 1] != 10):  # 10 is "\n"
        found = block.find(b">", found + 1, end)
    return found


def raw_index(raw: bytes, base: int) -> int:
    """Where base number `base` stands in the text of a record, which may hold blanks and line ends."""
    letters = np.frombuffer(raw.translate(bytes(c in BLANKS for c in range(256))), np.uint8)
    return int(np.flatnonzero(letters == 0)[base])


def bad_letter(where: str, record: str, position: int, raw: bytes) -> InputError:
    """The InputError for the first letter of `raw` that is not DNA; `position` is its place, 0-based."""
    found = chr(next(c for c in raw if CODES[c] == BAD and c not in BLANKS))
    advice = ADVICE.get(found.upper(), "only the IUPAC letters ACGTU RYSWKMBDHVN are legal")
    return InputError(f"{where}: record {record}, position {position + 1}: {found!r} is not a letter of DNA; {advice}")
