"""Where sequences come from: a file or standard input, plain or packed, and what is not FASTA told by content."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Iterable, Iterator
from itertools import chain
from typing import BinaryIO

from seqdl_data.dataset import open_bytes
from seqdl_data.errors import InputError, unreadable
from seqdl_data.streams import GZIP_MAGIC, plain_pieces, standard_input, unzipped

BGZIP_HEAD = b"\x1f\x8b\x08\x04"  # a gzip member with extra fields ...
BGZIP_FIELD = b"BC\x02\x00"  # ... of which the first, at byte 12, gives the member's size
BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")  # an empty member
HEAD = 256  # bytes to recognise a file by

PIPE = "decompress it first: {} {{file}} | seqdl scan -"
FOREIGN: dict[bytes, tuple[str, str]] = {
    b"\xfd7zXZ\0": ("xz-compressed", PIPE.format("xz -dc")),
    b"\x28\xb5\x2f\xfd": ("zstd-compressed", PIPE.format("zstd -dc")),
    b"BZh": ("bzip2-compressed", PIPE.format("bzip2 -dc")),
    b"\x04\x22\x4d\x18": ("lz4-compressed", PIPE.format("lz4 -dc")),
    b"\x1f\x9d": ("compressed with compress", PIPE.format("gzip -dc")),
    b"PK\x03\x04": ("a zip archive", PIPE.format("unzip -p")),
    GZIP_MAGIC: ("gzip inside gzip", "decompress it once, then try again"),
    b"\x43\x27\x41\x1a": ("a 2bit file, not FASTA", "convert it: twoBitToFa {file} genome.fa"),
    b"\x1a\x41\x27\x43": ("a 2bit file, not FASTA", "convert it: twoBitToFa {file} genome.fa"),
    b"BAM\1": ("a BAM file, not FASTA", "convert it: samtools fasta {file} > reads.fa"),
    b"CRAM": ("a CRAM file, not FASTA", "convert it: samtools fasta {file} > reads.fa"),
    b"PAR1": ("a Parquet file, not FASTA", "give the sequences as FASTA"),
    b"\xff\xfe": ("UTF-16 text", "save it as plain text: iconv -f utf-16 -t utf-8 {file} > plain.fa"),
    b"\xfe\xff": ("UTF-16 text", "save it as plain text: iconv -f utf-16 -t utf-8 {file} > plain.fa"),
    b"LOCUS ": ("a GenBank file, not FASTA", "convert it, for instance with Bio.SeqIO.convert of Biopython"),
    b"ID   ": ("an EMBL file, not FASTA", "convert it, for instance with Bio.SeqIO.convert of Biopython"),
    b"@HD\t": ("a SAM file, not FASTA", "convert it: samtools fasta {file} > reads.fa"),
    b"@SQ\t": ("a SAM file, not FASTA", "convert it: samtools fasta {file} > reads.fa"),
    b"@": ("a FASTQ file, not FASTA", "convert it: seqkit fq2fa {file} > reads.fa"),
    b"##gff-version": ("a GFF file, not FASTA", "give the sequence it annotates"),
    b"##fileformat=VCF": ("a VCF file, not FASTA", "give the sequence it refers to"),
    b"CLUSTAL": ("a Clustal alignment, not FASTA", "give the sequences without gaps, as FASTA"),
    b"# STOCKHOLM": ("a Stockholm alignment, not FASTA", "give the sequences without gaps, as FASTA"),
    b"#NEXUS": ("a NEXUS file, not FASTA", "give the sequences without gaps, as FASTA"),
    b"MEME version": ("a motif file, not FASTA", "give it as --motifs"),
    b"<": ("HTML or XML, not FASTA", "was the download an error page?"),
}


def source_name(path: str | os.PathLike[str]) -> str:
    """What messages call the input."""
    return "standard input" if os.fspath(path) == "-" else os.fspath(path)


def must_exist(path: str | os.PathLike[str]) -> None:
    """InputError if there is no such file; standard input (`-`) is left for later."""
    if os.fspath(path) == "-":
        return
    try:
        folder = stat.S_ISDIR(os.stat(path).st_mode)
    except OSError as error:
        raise unreadable(path, error) from error
    if folder:
        raise InputError(f"{os.fspath(path)}: a folder; give one file")


def text_blocks(path: str | os.PathLike[str], stdin: BinaryIO | None = None) -> Generator[bytes, None, None]:
    """The bytes of a file or of standard input (`-`) in blocks of at most 1 MiB; gzip and bgzip are unpacked.

    InputError for what is missing, unreadable, damaged or ends too early.
    """
    if os.fspath(path) == "-":
        yield from _unpacked(stdin or standard_input(), source_name(path))
    else:
        with open_bytes(path) as stream:
            yield from _unpacked(stream, source_name(path))


def _unpacked(stream: BinaryIO, name: str) -> Iterator[bytes]:
    head, blocks = peek(plain_pieces(stream, name))
    if is_bgzip(head):
        return unzipped(_to_the_end(blocks, name), name)
    return unzipped(blocks, name) if head.startswith(GZIP_MAGIC) else blocks


def is_bgzip(head: bytes) -> bool:
    """Whether a file that begins with `head` (at least 16 bytes) is written by bgzip."""
    return head.startswith(BGZIP_HEAD) and head[12:16] == BGZIP_FIELD


def peek(blocks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first HEAD bytes, fewer if there are no more, and all blocks."""
    first = b""
    while len(first) < HEAD and (block := next(blocks, b"")):
        first += block
    return first[:HEAD], chain([first] if first else [], blocks)


def _to_the_end(blocks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """The blocks of a bgzip file; InputError if its end mark is missing, for each member alone looks whole."""
    tail = b""
    for block in blocks:
        tail = (tail + block)[-len(BGZIP_END) :] if len(block) < len(BGZIP_END) else block[-len(BGZIP_END) :]
        yield block
    if tail != BGZIP_END:
        raise InputError(
            f"{name}: bgzip data without its end mark, the file is not complete; get it again, "
            "or if it is known to be whole: gzip -dc FILE | seqdl scan -"
        )


def refuse_foreign(head: bytes, name: str) -> None:
    """InputError that says what it is if unpacked data beginning with `head` are of a well-known other kind."""
    for magic, (what, advice) in FOREIGN.items():
        if head.startswith(magic):
            file = "FILE" if name == "standard input" else name
            raise InputError(f"{name}: {what}; {advice.format(file=file)}")
