"""What a user can do wrong, in one table: the command, its exit code, the line it prints.

`python tests/test_bad_input.py` prints the table in markdown. Each command runs in a copy of one folder that
holds a corpus, models and a run; a command that fails leaves the folder as it was.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import resource
import shlex
import shutil
import signal
import string
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage
from typer.testing import CliRunner

from seqdl_vision import Letters
from seqdl_vision.letters import build

ROOT = Path(__file__).resolve().parent.parent
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 40
QUICK = "--hidden 8 --batch 4 --epochs 1 --validations 1"
CORPUS = b"".join(b"%d foxes saw %d dogs.\n" % (n, n * 7 % 13) for n in range(300))


# What the cases put into the folder before the command runs


def write(name: str, content: bytes | str) -> Callable[[], object]:
    return lambda: Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())


def truncate(name: str, share: float) -> Callable[[], object]:
    return lambda: os.truncate(name, int(os.path.getsize(name) * share))


def change_metadata(**changes: object) -> Callable[[], object]:
    """Make bad.safetensors from model.safetensors with other metadata; a list stands for no document at all."""

    def change() -> None:
        from safetensors import safe_open
        from safetensors.numpy import save_file

        with safe_open("model.safetensors", "numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            document = json.loads(file.metadata()["seqdl"]) | changes
        save_file(arrays, "bad.safetensors", {"seqdl": json.dumps(document)})

    return change


def foreign_safetensors() -> None:
    from safetensors.numpy import save_file

    save_file({"weight": np.zeros((2, 2), np.float32)}, "bad.safetensors", {"format": "pt"})


def int8_without_scales() -> None:
    from safetensors.numpy import save_file

    document = {"schema": 1, "kind": "text", "quantised": "int8"}
    save_file({"decoder.weight": np.zeros((2, 2), np.int8)}, "bad.safetensors", {"seqdl": json.dumps(document)})


def parquet(**columns: list[object]) -> Callable[[], object]:
    def make() -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table(columns), "table.parquet")

    return make


GENOME = b">chr1 the first\n" + b"ACGTTGCATTGACCAGTATA" * 40 + b"\n>chr2\nacgtnnryACGU\n"
MOTIF = b">M1 first\nA [ 9 0 1 0 9 ]\nC [ 0 9 1 0 0 ]\nG [ 0 0 7 1 0 ]\nT [ 1 1 1 9 1 ]\n"
ZEROS = b">M1\nA [ 1 0 ]\nC [ 1 0 ]\nG [ 1 0 ]\nT [ 1 0 ]\n"
SCAN = "scan g.fa --motifs m.jaspar"


def dna(**others: bytes) -> Callable[[], object]:
    """g.fa and m.jaspar, or others in their place."""

    def make() -> None:
        Path("g.fa").write_bytes(others.get("g", GENOME))
        Path("m.jaspar").write_bytes(others.get("m", MOTIF))
        Path("r.bed").write_bytes(others.get("bed", b"chr1\t5\t90\n"))

    return make


def many_hits() -> None:
    dna(g=b">c\n" + b"ACGTTGCATTGACCAGTATA" * 20_000 + b"\n")()


def make_empty_folder() -> None:
    Path("folder").mkdir()


def model_as_checkpoint() -> None:
    make_empty_folder()
    shutil.copy("model.safetensors", "folder/last.safetensors")


def append_to_corpus() -> None:
    Path("corpus.txt").write_bytes(CORPUS + b"and a cat.\n")


def remove_corpus() -> None:
    Path("corpus.txt").unlink()


def copy_of_seqdl_without_cache() -> None:
    """Sources beside which no folder for compiled kernels can be made: a file is in the way."""
    for source in ("seqdl", "cli/seqdl_cli", "data/seqdl_data", "vision/seqdl_vision"):
        shutil.copytree(ROOT / source, Path("copy", Path(source).name), ignore=shutil.ignore_patterns("__pycache__"))
    Path("copy/seqdl/kernels/__pycache__").touch()


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: to the program, a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def picture(name: str, kind: str = "L", **options: object) -> Callable[[], object]:
    """A picture of some thick letters, in a mode of Pillow's or one of the kinds below."""

    def make() -> None:
        image = letters_on_paper()
        if kind in ("L", "RGB", "CMYK", "P", "RGBA", "LA", "1"):
            image = image.convert(kind)
        elif kind == "I;16":
            image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
        elif kind == "upside down":
            image = image.rotate(180)
        elif kind == "cat":
            image = cat()
        elif kind in ("white", "black"):
            image = Image.new("L", (300, 200), 240 if kind == "white" else 8)
        elif kind == "1x1":
            image = Image.new("L", (1, 1), 200)
        image.save(name, **options)

    return make


def cut(name: str) -> Callable[[], object]:
    return lambda: [picture(name)(), truncate(name, 0.6)()]


def letters_on_paper() -> Image.Image:
    image = Image.new("L", (260, 90), 235)
    pen = ImageDraw.Draw(image)
    for x in (20, 60, 140, 180):
        pen.ellipse((x, 25, x + 24, 65), None, 20, 5)
    pen.line((100, 20, 100, 66), 20, 5)
    return image


def cat() -> Image.Image:
    """Fur, two ears, two eyes, whiskers."""
    draw = np.random.default_rng(9)
    fur = ndimage.gaussian_filter(draw.normal(0, 1, (240, 320)), (1, 6))
    image = Image.fromarray((150 + 60 * fur / fur.std() / 2).clip(0, 255).astype(np.uint8)).convert("RGB")
    pen = ImageDraw.Draw(image)
    pen.polygon([(70, 90), (90, 20), (140, 70)], (90, 70, 50))
    pen.polygon([(180, 70), (230, 20), (250, 90)], (90, 70, 50))
    for x in (110, 200):
        pen.ellipse((x, 90, x + 30, 120), (190, 210, 60))
        pen.ellipse((x + 11, 92, x + 19, 118), (10, 10, 10))
    for y in (150, 160, 170):
        pen.line((30, y, 140, 160), (240, 240, 240), 2)
    return image


def header_of_a_huge_png() -> None:
    """30,000 x 30,000 pixels, all black, in a valid file of 110 kB."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    side = 30_000
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(side // 8 + 1)) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    content = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    Path("x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def pictures_of_one_name() -> None:
    make_empty_folder()
    picture("folder/a.png")()
    picture("folder/b.png")()


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(range(256)) * 4


class Case(NamedTuple):
    name: str
    command: str  # a shell line if `shell`
    exit_code: int
    line: str  # a regular expression: of the error, or of the note where there is no error; "" is silence
    prepare: Callable[[], object] = lambda: None
    stdin: bytes = b""
    shell: bool = False  # in a process of its own
    disk: int = 0  # most bytes a file may have; 0: no limit


NO_CACHE = "PYTHONPATH=copy NUMBA_CACHE_DIR=corpus.txt/cache XDG_CACHE_HOME=corpus.txt HOME=corpus.txt NUMBA_OPT=0"
WAIT = "while [ ! -e new/last.safetensors ]; do sleep 0.02; done"
WAIT_PARTS = "while [ ! -e .x.tsv.parts -a ! -e x.tsv ]; do sleep 0.02; done"
OF_LETTERS = "--model letters.safetensors"
OCR = f"ocr {OF_LETTERS}"
GENERATE, BAD = "generate text --model model.safetensors", "generate text --model bad.safetensors"

CASES = [
    # corpus
    Case("empty corpus", "train text empty.txt", 3, "empty.txt: the corpus is empty", write("empty.txt", "")),
    Case("shorter than a window", "train text short.txt", 3, "short.txt: .* too few for one window",
         write("short.txt", "to be")),
    Case("missing corpus", "train text gone.txt", 3, "gone.txt: cannot read: No such file"),
    Case("no corpus at all", "train text", 2, "name a corpus"),
    Case("empty folder", "train text folder", 3, "folder: no files", make_empty_folder),
    Case("binary file, bytes", f"train text x.png -o new {QUICK}", 0, "done", write("x.png", PNG)),
    Case(
        "binary file, characters", "train text x.png --vocabulary characters", 3, "x.png: byte 0 is not UTF-8",
        write("x.png", PNG),
    ),
    Case("damaged gzip", "train text x.gz", 3, "x.gz: damaged gzip", write("x.gz", gzip.compress(CORPUS)[:40] + PNG)),
    Case("truncated gzip", "train text x.gz", 3, "gzip data ends too early", write("x.gz", gzip.compress(CORPUS)[:99])),
    Case("Parquet, no text", "train text table.parquet", 3, "which column is the text", parquet(n=[1])),
    Case("damaged Parquet", "train text x.parquet", 3, "x.parquet: ", write("x.parquet", b"PAR1" + PNG)),
    # prompt
    Case("prompt not UTF-8", f"{GENERATE} 'a\udcff'", 3, "prompt: byte 1 is not UTF-8"),
    Case("prompt file not UTF-8", f"{GENERATE} --prompt-file p", 3, "p: byte 2 is not UTF-8", write("p", b"ab\xffc")),
    Case("prompt on stdin not UTF-8", f"{GENERATE} -", 3, "standard input: byte 0 is not UTF-8", stdin=b"\xe4h"),
    Case("prompt file missing", f"{GENERATE} --prompt-file gone", 3, "gone: cannot read: No such file"),
    Case("two prompts", f"{GENERATE} a --prompt-file corpus.txt", 2, "not both"),
    Case("unknown characters", "generate text --model chars.safetensors 'fox Ж'", 0, "note: 20.0% of the prompt's"),
    Case(
        "closed stdin", "seqdl generate text --model model.safetensors - <&-", 3, "standard input is closed", shell=True
    ),
    # model file
    Case("missing model", "generate text --model gone", 4, "gone: no such model file"),
    Case("folder without best", "generate text --model folder", 4, "best.safetensors: no such", make_empty_folder),
    Case("empty model", BAD, 4, "bad.safetensors: damaged", write("bad.safetensors", "")),
    Case("truncated model", GENERATE, 4, "model.safetensors: damaged", truncate("model.safetensors", 0.7)),
    Case("truncated header", GENERATE, 4, "model.safetensors: damaged", truncate("model.safetensors", 0.001)),
    Case("a picture", BAD, 4, "not a safetensors file", write("bad.safetensors", PNG)),
    Case("somebody else's", BAD, 4, "not a model of seqdl", foreign_safetensors),
    Case("newer schema", BAD, 4, "newer seqdl .*upgrade", change_metadata(schema=99)),
    Case("no schema", BAD, 4, "damaged metadata", change_metadata(schema=None)),
    Case("another kind", BAD, 4, "of kind 'ocr', expected 'text'", change_metadata(kind="ocr")),
    Case("a checkpoint", "generate text --model run/last.safetensors", 4, "of kind 'checkpoint'"),
    Case("unknown cell", BAD, 4, "bad.safetensors: unknown cell", change_metadata(architecture={"cell": "rnn",
         "hidden": 8})),
    Case("other sizes", BAD, 4, "damaged model", change_metadata(architecture={"cell": "lstm", "hidden": 9})),
    Case("impossible size", BAD, 4, "damaged model", change_metadata(architecture={"cell": "lstm", "hidden": -9})),
    Case("no architecture", BAD, 4, "damaged model", change_metadata(architecture=None)),
    Case("unknown vocabulary", BAD, 4, "bad.safetensors: unknown vocabulary",
         change_metadata(vocabulary={"kind": "words"})),
    Case("int8 without scales", BAD, 4, "bad.safetensors: damaged", int8_without_scales),
    # options
    Case("--length 0", f"{GENERATE} 'To be' -n 0 -s 1", 0, "seed 1"),
    Case("negative length", f"{GENERATE} -n -1", 2, "--length must not be negative"),
    Case("length is a word", f"{GENERATE} -n many", 2, "'--length'.*; see 'seqdl generate text --help'"),
    Case("negative temperature", f"{GENERATE} --temp -1", 2, "--temperature must be between 0 and 100, got -1"),
    Case("temperature nan", f"{GENERATE} --temp nan", 2, "--temperature must be between 0 and 100, got nan"),
    Case("--top-p 1.5", f"{GENERATE} --top-p 1.5", 2, "--top-p must be between 0 and 1"),
    Case("negative seed", f"{GENERATE} -s -1", 2, "'--seed'"),
    Case("no threads", f"{GENERATE} -t 0", 2, "'--threads'"),
    Case("no texts", f"{GENERATE} --count 0", 2, "'--count'"),
    Case("fewer texts than none", f"{GENERATE} --count -3", 2, "'--count'"),
    Case("count is a word", f"{GENERATE} --count many", 2, "'--count'"),
    Case("unknown option", f"{GENERATE} --bogus", 2, "No such option: --bogus; see 'seqdl generate text --help'"),
    Case("unknown command", "bogus", 2, "No such command 'bogus'; see 'seqdl --help'"),
    Case("missing argument", "score text", 2, "Missing argument"),
    Case("wrong cell", "train text corpus.txt --cell rnn", 2, "--cell must be one of lstm, gru"),
    Case("no units", "train text corpus.txt --hidden 0", 2, "at least 1"),
    Case("lr nan", "train text corpus.txt --lr nan", 2, "--lr must be"),
    Case("lr inf", "train text corpus.txt --lr inf", 2, "--lr must be"),
    Case("clip nan", "train text corpus.txt --clip nan", 2, "--clip must be"),
    Case("negative weight decay", "train text corpus.txt --weight-decay -1", 2, "--weight-decay must be"),
    Case("negative patience", "train text corpus.txt --patience -1", 2, "--patience must be"),
    Case("no time", "train text corpus.txt --minutes 0", 2, "--minutes must be finite and above 0"),
    Case("endless", "train text corpus.txt --epochs inf", 2, "--epochs must be"),
    Case("dropout 1", "train text corpus.txt --dropout 1", 2, "--dropout must be"),
    Case("two bounds", "train text corpus.txt --minutes 1 --epochs 1", 2, "give one of them"),
    Case("shape with a model", "train text corpus.txt --init-from model.safetensors --dropout 0 --hidden 9", 2,
         "--init-from brings the model's own --hidden, --dropout"),
    # recipe
    Case("missing recipe", "train text corpus.txt --recipe r.toml", 3, "r.toml: not a readable recipe"),
    Case("recipe not TOML", "train text corpus.txt --recipe r.toml", 3, "r.toml: not a re", write("r.toml", "a b")),
    Case("recipe not text", "train text corpus.txt --recipe x.png", 3, "x.png: not a readable", write("x.png", PNG)),
    Case("recipe, unknown key", "train text corpus.txt --recipe r.toml", 2, "unknown options: sise",
         write("r.toml", "sise = 3")),
    Case("recipe, wrong type", "train text corpus.txt --recipe r.toml", 2, "lr = 'fast', expected float",
         write("r.toml", "lr = 'fast'")),
    Case("recipe, out of range", "train text corpus.txt --recipe r.toml", 2, "beta2 must be in",
         write("r.toml", "beta2 = 1.0")),
    # resuming
    Case("resume of nothing", "train text --resume gone", 4, "gone/last.safetensors: no such model file"),
    Case("resume of a model", "train text --resume folder", 4, "of kind 'text', expected 'checkpoint'",
         model_as_checkpoint),
    Case("resume, damaged", "train text --resume run", 4, "damaged", truncate("run/last.safetensors", 0.5)),
    Case("resume, changed corpus", "train text --resume run", 3, "changed since", append_to_corpus),
    Case("resume, corpus gone", "train text --resume run", 3, "corpus.txt: cannot read", remove_corpus),
    Case("resume, other options", "train text --resume run --lr 1", 2, "no data and no other option"),
    Case("resume, log gone", "train text --resume run", 3, "no run log", lambda: Path("runs.sqlite").unlink()),
    Case("folder taken", "train text corpus.txt -o run", 2, "run: holds a run already; continue it with --resume run"),
    Case("start from nothing", "train text corpus.txt --init-from gone", 4, "gone: no such model file"),
    # writing
    Case("disk full, model", "quantize run -o small.safetensors", 5, "small.safetensors: cannot write: ",
         disk=10_000),
    Case("disk full, training", "train text corpus.txt -o new --hidden 64 --epochs 1", 5, "st.safetensors: cannot",
         disk=250_000),
    Case("disk full, text", f"{GENERATE} -n 20000 -o out.txt", 5, "out.txt: cannot write", disk=10_000),
    Case("full device", f"{GENERATE} -n 9 -o /dev/full", 5, "/dev/full: cannot write: No space left"),
    Case("full stdout", f"seqdl {GENERATE} -n 9 > /dev/full", 5, "output: No space left", shell=True),
    Case("full stdout, version", "seqdl --version > /dev/full", 5, "output: No space left", shell=True),
    Case("output below a file", f"{GENERATE} -n 9 -o corpus.txt/x", 5, "corpus.txt/x: cannot write"),
    Case("output is a folder", f"{GENERATE} -n 9 -o run", 5, "run: cannot write: Is a directory"),
    Case("run below a file", "train text corpus.txt -o corpus.txt/new", 5, "cannot write"),
    Case("run is a file", f"train text corpus.txt -o corpus.txt {QUICK}", 5, "corpus.txt: cannot write"),
    Case("closed pipe", f"seqdl {GENERATE} -s 1 -n 99999 | head -c 9 > /dev/null; exit ${{PIPESTATUS[0]}}", 0, "seed 1",
         shell=True),
    Case("no folder for kernels", f"{NO_CACHE} seqdl {GENERATE} -n 5", 0, "note: no writable folder for compiled",
         copy_of_seqdl_without_cache, shell=True),
    # interrupted
    Case("Ctrl-C", f"seqdl train text corpus.txt -o new --hidden 8 --epochs 999 --validations 999 2>err & {WAIT};"
         " kill -INT $!; wait $!; code=$?; tail -n 1 err >&2; exit $code", 130,
         "to resume: seqdl train text --resume new", shell=True),
    Case("kill -9, then resume", f"seqdl train text corpus.txt -o new --hidden 8 --validations 60 &>/dev/null & {WAIT};"
         " kill -KILL $!; wait $! 2>/dev/null; seqdl train text --resume new", 0, "done: validation", shell=True),
    # scan: the genome
    Case("no genome", "scan", 2, "Missing argument"),
    Case("genome missing", "scan gone.fa --motifs m.jaspar", 3, "gone.fa: cannot read: No such file", dna()),
    Case("genome is a folder", "scan run --motifs m.jaspar", 3, "run: a folder", dna()),
    Case("genome empty", SCAN, 3, "g.fa: ", dna(g=b"")),
    Case("genome without >", SCAN, 3, "g.fa:1: ", dna(g=b"ACGT\n>a\nACGT\n")),
    Case("a letter that is none", SCAN, 3, "g.fa:.*record chr1.*position 4", dna(g=b">chr1\nACG*T\n")),
    Case("protein", SCAN, 3, "g.fa:.*record p", dna(g=b">p\nMKVLAEFLQPIIT\n")),
    Case("two contigs of one name", SCAN, 3, "g.fa:3: .*chr1", dna(g=b">chr1\nACGT\n>chr1 b\nACGT\n")),
    Case("genome is a picture", "scan x.png --motifs m.jaspar", 3, "x.png", lambda: [dna()(), write("x.png", PNG)()]),
    Case("genome is GenBank", SCAN, 3, "GenBank", dna(g=b"LOCUS       X 5 bp\nORIGIN\n")),
    Case("genome, truncated gzip", SCAN, 3, "gzip data ends too early", dna(g=gzip.compress(GENOME)[:60])),
    Case("empty record, CRLF, no last newline", SCAN, 0, "hits in 8 bases", dna(g=b">a\r\n\r\n>b\r\nACGT\r\nNNGA")),
    Case("contig shorter than the motif", SCAN, 0, "0 hits in 3 bases", dna(g=b">a\nACG\n")),
    Case("stdin empty", "scan - --motifs m.jaspar", 3, "standard input: ", dna()),
    # scan: motifs
    Case("motifs missing", SCAN.replace("m.j", "gone.j"), 3, "gone.jaspar: cannot read", dna()),
    Case("motifs are FASTA", "scan g.fa --motifs g.fa", 3, "g.fa:", dna()),
    Case("motifs are a picture", "scan g.fa --motifs x.png", 3, "x.png", lambda: [dna()(), write("x.png", PNG)()]),
    Case("no motif in the file", SCAN, 3, "m.jaspar: ", dna(m=b"\n")),
    Case("a column of zeros", SCAN, 3, "m.jaspar:.* all zeros", dna(m=ZEROS)),
    Case("no columns", SCAN, 3, "m.jaspar", dna(m=b">M\nA [ ]\nC [ ]\nG [ ]\nT [ ]\n")),
    Case("word of wrong letters", "scan g.fa --consensus TATAXX", 2, "TATAXX", dna()),
    Case("threshold out of reach", f"{SCAN} --thresh 1e-9", 0, "can have no hit.*raise --thresh", dna()),
    Case("threshold 0", f"{SCAN} --thresh 0", 2, "--thresh must be above 0 and at most 1, got 0", dna()),
    Case("threshold nan", f"{SCAN} --thresh nan", 2, "--thresh must be", dna()),
    Case("q-value of 2", f"{SCAN} --qv-thresh 2", 2, "--qv-thresh must be above 0", dna()),
    Case("q-values as a flag", f"{SCAN} --qv-thresh --thresh 0.1", 2, "'--qv-thresh'", dna()),
    Case("q-values of stdin", "scan - --motifs m.jaspar --qv-thresh 0.1", 2, "can be read only once", dna()),
    Case("background missing", f"{SCAN} --bfile gone", 3, "gone: cannot read", dna()),
    Case("background of something else", f"{SCAN} --bfile g.fa", 3, "g.fa", dna()),
    Case("negative pseudocount", f"{SCAN} --motif-pseudo -1", 2, "pseudocount must be 0 or more", dna()),
    # scan: models
    Case("scan with a text model", "scan g.fa --model model.safetensors", 4, "of kind 'text', expected 'sites'", dna()),
    Case("scan with no such model", "scan g.fa --model gone", 4, "gone: no such model file", dna()),
    Case("min-probability 2", "scan g.fa --min-probability 2", 2, "--min-probability must be between 0 and 1", dna()),
    # scan: options
    Case("motif option with sites", "scan g.fa --thresh 0.1", 2, "--thresh is of motifs", dna()),
    Case("model with motifs", f"{SCAN} --model x", 2, "--model is of learned sites", dna()),
    Case("words and a motif file", f"{SCAN} --consensus ACGT", 2, "both say what to look for", dna()),
    Case("text with q-values", f"{SCAN} --text --qv-thresh 0.1", 2, "leave one out", dna()),
    Case("unknown format", f"{SCAN} --format gtf", 2, "--format must be one of", dna()),
    Case("compressed output", f"{SCAN} -o x.bed.gz", 2, "not compressed", dna()),
    Case("output is the input", f"{SCAN} -o g.fa", 2, "g.fa: is read by this scan", dna()),
    Case("output is the motif file", f"{SCAN} -o m.jaspar", 2, "m.jaspar: is read by this scan", dna()),
    Case("shard 0", f"{SCAN} --shard 0/4", 2, "--shard must be i/n", dna()),
    Case("shard of stdin", "scan - --motifs m.jaspar --shard 1/2", 2, "can be read only once", dna()),
    Case("shard with q-values", f"{SCAN} --shard 1/2 --qv-thresh 0.1", 2, "leave --shard out", dna()),
    Case("region of no record", f"{SCAN} --region chr9:1-5", 3, "no record 'chr9'", dna()),
    Case("region beyond the end", f"{SCAN} --region chr1:700-900", 3, "chr1 has 800 bases", dna()),
    Case("region backwards", f"{SCAN} --region chr1:9-5", 2, "chr1:9-5", dna()),
    Case("BED of something else", f"{SCAN} --bed corpus.txt", 3, "corpus.txt:1: expected NAME START END", dna()),
    Case("two from stdin", "scan - --motifs -", 2, "only one of genome, motifs", dna()),
    # scan: writing
    Case("scan, disk full", f"{SCAN} --thresh 0.1 -o x.tsv", 5, "cannot write: .*free some space", many_hits,
         disk=30_000),
    Case("scan, full device", f"{SCAN} --thresh 0.1 -o /dev/full", 5, "/dev/full: cannot write", dna()),
    Case("scan, full stdout", f"seqdl {SCAN} --thresh 0.1 > /dev/full", 5, "output: No space left", dna(), shell=True),
    Case("scan, output is a folder", f"{SCAN} -o run", 5, "run: cannot write: Is a directory", dna()),
    Case("scan, output below a file", f"{SCAN} -o corpus.txt/x", 5, "corpus.txt/x: cannot write", dna()),
    Case("scan, closed pipe", f"seqdl {SCAN} --thresh 0.1 | head -c 9 > /dev/null; exit ${{PIPESTATUS[0]}}", 0, "",
         many_hits, shell=True),
    Case("scan, kill -9, then the same again", f"seqdl {SCAN} --thresh 0.1 -o x.tsv &>/dev/null & {WAIT_PARTS};"
         f" kill -KILL $!; wait $! 2>/dev/null; seqdl {SCAN} --thresh 0.1 -o x.tsv", 0, "hits in 400,000 bases",
         many_hits, shell=True),
    # ocr: the picture
    Case("no picture named", "ocr", 2, "Missing argument"),
    Case("picture missing", f"{OCR} gone.jpg", 3, "gone.jpg: cannot read: No such file"),
    Case("picture is text", f"{OCR} corpus.txt", 3, "corpus.txt: "),
    Case("picture empty", f"{OCR} x.png", 3, "x.png: ", write("x.png", b"")),
    Case("picture is a broken PNG", f"{OCR} x.png", 3, "x.png: ", write("x.png", PNG)),
    Case("picture, truncated JPEG", f"{OCR} x.jpg", 3, "x.jpg: ", cut("x.jpg")),
    Case("picture, truncated PNG", f"{OCR} x.png", 3, "x.png: ", cut("x.png")),
    Case("picture on stdin, empty", f"{OCR} -", 3, "standard input: "),
    Case("picture on stdin, text", f"{OCR} -", 3, "standard input: ", stdin=CORPUS),
    Case("picture of 1 x 1", f"{OCR} x.png", 0, "x.png: no ink", picture("x.png", "1x1")),
    Case("picture of 30,000 x 30,000", f"{OCR} x.png", 3, "x.png: .*above the limit .*--max-pixels",
         header_of_a_huge_png),
    Case("picture above a limit given", f"{OCR} x.png --max-pixels 999", 3, "pixels, above the limit of 999",
         picture("x.png")),
    Case("picture of 16 bits", f"{OCR} x.png", 0, "", picture("x.png", "I;16")),
    Case("picture in CMYK", f"{OCR} x.jpg", 0, "", picture("x.jpg", "CMYK")),
    Case("picture with a palette", f"{OCR} x.png", 0, "", picture("x.png", "P")),
    Case("picture with alpha", f"{OCR} x.png", 0, "", picture("x.png", "RGBA")),
    Case("picture of 1 bit", f"{OCR} x.tif", 0, "", picture("x.tif", "1")),
    Case("picture animated", f"{OCR} x.gif", 0, "x.gif: .*frame", picture(
        "x.gif", save_all=True, append_images=[Image.new("L", (260, 90)), Image.new("L", (260, 90), 200)])),
    Case("picture of several pages", f"{OCR} x.tif", 0, "x.tif, page 2", picture(
        "x.tif", save_all=True, append_images=[letters_on_paper()])),
    Case("picture in HEIC", f"{OCR} x.heic", 3, "x.heic: HEIC is not read; convert it", write("x.heic", HEIC)),
    Case("blank page", f"{OCR} x.png", 0, "x.png: no ink", picture("x.png", "white")),
    Case("black page", f"{OCR} x.png", 0, "x.png: no ink", picture("x.png", "black")),
    Case("photo of a cat", f"{OCR} x.jpg", 0, "", picture("x.jpg", "cat")),
    Case("page upside down", f"{OCR} x.png", 0, "", picture("x.png", "upside down")),
    Case("folder without pictures", f"{OCR} folder", 3, "folder: there is no picture", make_empty_folder),
    # ocr: model and options
    Case("ocr with a text model", "ocr x.png --model model.safetensors", 4, "of kind 'text', expected 'characters'",
         picture("x.png")),
    Case("ocr with no such model", "ocr x.png --model gone", 4, "gone: no such model file", picture("x.png")),
    Case("ocr with a picture as model", "ocr x.png --model x.png", 4, "x.png: damaged, or not", picture("x.png")),
    Case("ocr, prior of another kind", f"{OCR} x.png --lm letters.safetensors", 4, "'characters', expected 'text'",
         picture("x.png")),
    Case("ocr, unknown layout", f"{OCR} x.png --psm 4", 2, "--psm must be one of 3, 6, 7, 8, 10, got 4"),
    Case("ocr, confidence of 2", f"{OCR} x.png --min-confidence 2", 2, "--min-confidence must be between 0 and 1"),
    Case("ocr, confidence nan", f"{OCR} x.png --min-confidence nan", 2, "--min-confidence must be between 0 and 1"),
    Case("ocr, sign of two lines", f"{OCR} x.png --unknown 'a\tb'", 2, "--unknown must be printable"),
    Case("ocr, letters and digits apart", f"{OCR} x.png --letters --digits", 2, "exclude each other"),
    Case("ocr, unknown format", f"{OCR} x.png --format pdf", 2, "--format must be one of text, tsv, json, hocr, png"),
    Case("ocr, two formats", f"{OCR} x.png --format tsv --json", 2, "exclude each other"),
    Case("ocr, limit of no pixels", f"{OCR} x.png --max-pixels 0", 2, "'--max-pixels'"),
    Case("ocr, stdin twice", f"{OCR} - -", 2, "standard input can be read only once"),
    # ocr: writing
    Case("ocr, output is the picture", f"{OCR} x.png -o x.png", 2, "x.png: is read by this", picture("x.png")),
    Case("ocr, output is a folder", f"{OCR} x.png -o run", 5, "run: cannot write: Is a directory", picture("x.png")),
    Case("ocr, output below a file", f"{OCR} x.png -o corpus.txt/x", 5, "corpus.txt/x: cannot", picture("x.png")),
    Case("ocr, disk full", f"{OCR} x.png -o y.png", 5, "y.png: cannot write", picture("x.png"), disk=500),
    Case("ocr, full device", f"{OCR} x.png --json -o /dev/full", 5, "/dev/full: cannot write", picture("x.png")),
    Case("ocr, full stdout", f"seqdl {OCR} x.png > /dev/full", 5, "output: No space left", picture("x.png"),
         shell=True),
    Case("ocr, debug below a file", f"{OCR} x.png --debug-dir corpus.txt", 5, "cannot write", picture("x.png")),
    Case("ocr, closed pipe", f"seqdl {OCR} folder --json | head -c 9 > /dev/null; exit ${{PIPESTATUS[0]}}", 0, "",
         pictures_of_one_name, shell=True),
    # models of characters: how good, how large, what is inside
    Case("eval letters of a text", f"eval letters corpus.txt {OF_LETTERS}", 3, "corpus.txt: "),
    Case("eval letters of what is not there", f"eval letters gone {OF_LETTERS}", 3, "gone: cannot read"),
    Case("eval letters with a text model", "eval letters x --model model.safetensors", 4, "'text', expected 'char"),
    Case("quantize, datasets gone", "quantize letters.safetensors -o s", 3, "name others to measure on with --data"),
    Case("inspect of no model", "inspect gone", 4, "gone: no such model file"),
    Case("inspect of a checkpoint", "inspect run/last.safetensors", 4, "'checkpoint', expected one of text, sites, "),
    Case("inspect, picture for a text model", "inspect model.safetensors --image x.png", 2, "is for a model of char"),
    Case("inspect, picture of nothing", "inspect letters.safetensors --image x.png", 3, "x.png: shows nothing",
         picture("x.png", "white")),
    Case("inspect, output below a file", "inspect model.safetensors -o corpus.txt/x", 5, "corpus.txt/x/.*cannot write"),
    Case("imagine of nothing", f"imagine {OF_LETTERS}", 2, "name the characters to imagine, or give --all"),
    Case("imagine, unknown character", f"imagine % {OF_LETTERS}", 2, "the model has no label for '%'; it knows"),
    Case("imagine with a text model", "imagine a --model model.safetensors", 4, "'text', expected 'characters'"),
    Case("imagine, picture of another kind", f"imagine a {OF_LETTERS} -o a.jpg", 2, "a.jpg: .* must end in .png"),
    # the other commands
    Case("quantize, corpus gone", "quantize run -o s", 3, "name a text .* with --text", remove_corpus),
    Case("quantize, corpus changed", "quantize run -o s", 3, "changed since", append_to_corpus),
    Case("quantize, text too short", "quantize run -o s --text t", 3, "fewer than two", write("t", "ab")),
    Case("quantize to int3", "quantize run -o s --to int3", 2, "--to must be one of"),
    Case("score of nothing", "score text t --model model.safetensors", 3, "t: .* has 0", write("t", "")),
    Case("score, file missing", "score text gone --model model.safetensors", 3, "gone: cannot read"),
    Case("score, not UTF-8", "score text x.png --model chars.safetensors", 3, "byte 0 is", write("x.png", PNG)),
    Case("score, no lanes", "score text corpus.txt --model model.safetensors --lanes 0", 2, "'--lanes'"),
    Case("show of no log", "runs show run", 3, "no run log here"),
    Case("show of no run", "runs show gone --log runs.sqlite", 3, "no run 'gone'; the latest runs there: .*run"),
    Case("log is something else", "runs list --log corpus.txt", 3, "corpus.txt: not a run log"),
]  # fmt: skip


class Result(NamedTuple):
    exit_code: int
    stdout: bytes
    stderr: str

    def line(self, case: Case) -> str:
        """The line of the table: the error, else the line that the case speaks of."""
        lines = [line for line in self.stderr.splitlines() if line.startswith("seqdl: ")]
        errors = [line for line in lines if line.startswith("seqdl: error: ")]
        return next((line for line in errors or lines if errors or re.search(case.line, line)), "")


def run(case: Case) -> Result:
    """Run a case in the current folder, which holds what `make_folder` puts there."""
    case.prepare()
    if case.shell:
        environment = {"PYTHONPATH": os.pathsep.join(str(ROOT / p) for p in (".", "data", "vision", "cli"))}
        path = f"{Path.cwd() / 'bin'}{os.pathsep}{os.environ['PATH']}"
        process = subprocess.run(
            ["bash", "-c", case.command], capture_output=True, timeout=120,
            env={**os.environ, **environment, "PATH": path},
        )  # fmt: skip
        return Result(process.returncode, process.stdout, process.stderr.decode())
    from seqdl_cli.main import app

    words = shlex.split(case.command)
    if case.disk:
        with small_files(case.disk):
            result = CliRunner().invoke(app, words, input=case.stdin, prog_name="seqdl")
    else:
        result = CliRunner().invoke(app, words, input=case.stdin, prog_name="seqdl")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception  # what a user would see as a traceback
    return Result(result.exit_code, result.stdout_bytes, result.stderr)


def untrained_letters() -> Letters:
    labels = ("", *string.digits, *string.ascii_letters)
    architecture = {"network": "residual", "width": 4}
    network = build(architecture, len(labels), np.random.default_rng(3)).eval()
    return Letters(network, architecture, labels)


def make_folder(folder: Path) -> None:
    """corpus.txt, model.safetensors and chars.safetensors trained on it, and a run that was interrupted.

    Beside them letters.safetensors, which names characters but has learned nothing.
    """
    from seqdl.text import TextSettings, train_text
    from seqdl.training.loop import Report, Settings

    def interrupt(report: Report) -> None:
        if report.kind == "step" and report.progress.step == 5:
            signal.raise_signal(signal.SIGINT)

    settings, text = Settings(epochs=1, validations=1), TextSettings(hidden=8, batch=4)
    characters = TextSettings(cell="gru", hidden=8, batch=4, vocabulary="characters")
    with chdir(folder):
        Path("corpus.txt").write_bytes(CORPUS)
        train_text(["corpus.txt"], "run", settings, text, watch=interrupt)
        train_text(["corpus.txt"], "other/bytes", settings, TextSettings("lstm", hidden=8, batch=4))
        train_text(["corpus.txt"], "other/chars", settings, characters)
        os.replace("other/bytes/best.safetensors", "model.safetensors")
        os.replace("other/chars/best.safetensors", "chars.safetensors")
        shutil.rmtree("other")
        untrained_letters().save("letters.safetensors")
        Path("bin").mkdir()
        script = Path("bin/seqdl")
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m seqdl_cli.main "$@"\n')
        script.chmod(0o755)


def contents(folder: Path) -> dict[str, bytes]:
    """All files, but for the log of runs, which may tell of the attempt, and the index of a genome."""
    files = (path for path in folder.rglob("*") if path.is_file())
    files = (path for path in files if not path.name.startswith("runs.sqlite") and path.suffix != ".fai")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad") / "folder"
    folder.mkdir()
    make_folder(folder)
    return folder


@pytest.fixture
def folder(master: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "folder"
    shutil.copytree(master, copy)
    monkeypatch.chdir(copy)
    return copy


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_ends_in_one_line_and_an_exit_code(case: Case, folder: Path) -> None:
    if "/dev/full" in case.command and not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    case.prepare()
    before = contents(folder)
    result = run(case._replace(prepare=lambda: None))
    errors = [line for line in result.stderr.splitlines() if "seqdl: error:" in line]
    assert result.exit_code == case.exit_code, result.stderr
    assert "Traceback" not in result.stderr
    assert re.search(case.line, result.line(case)), result.stderr
    assert len(errors) == (case.exit_code not in (0, 130))
    assert not list(folder.rglob("*.part")) or "kill -9" in case.name
    if errors:
        assert result.stderr.splitlines()[-1] == errors[0]
        assert result.stdout == b""
        assert contents(folder) == before


def test_names_of_cases_differ() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def test_length_zero_prints_the_prompt_only(folder: Path) -> None:
    case = next(case for case in CASES if case.name == "--length 0")
    assert run(case).stdout == b"To be\n"


def test_full_disk_leaves_the_previous_file(folder: Path) -> None:
    Path("small.safetensors").write_bytes(b"precious")
    case = next(case for case in CASES if case.name == "disk full, model")
    assert run(case).exit_code == 5
    assert Path("small.safetensors").read_bytes() == b"precious"


def test_a_full_file_system_keeps_the_last_checkpoint(folder: Path) -> None:
    """The same on a real, tiny file system, which only root may mount."""
    Path("tiny").mkdir()
    if shutil.which("mount") is None or os.getuid() != 0:
        pytest.skip("only root may mount a small file system")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "none", "tiny"], capture_output=True).returncode:
        pytest.skip("cannot mount a small file system here")
    try:
        train = Case(
            "", f"train text corpus.txt -o tiny/run {QUICK} --validations 4 --log-arrays --epochs 9", 5, "cannot"
        )
        result = run(train)
        assert (result.exit_code, result.stdout) == (5, b""), result.stderr
        assert "Traceback" not in result.stderr
        from seqdl.training import checkpoint

        for path in Path("tiny/run").iterdir():
            assert path.name in ("best.safetensors", "last.safetensors")
        if Path("tiny/run/last.safetensors").exists():
            checkpoint.load("tiny/run/last.safetensors")
    finally:
        subprocess.run(["umount", "tiny"], check=True)


def table() -> Iterator[str]:
    """The rows in markdown."""
    yield "| case | command | exit code | line printed |"
    yield "| --- | --- | --- | --- |"
    with tempfile.TemporaryDirectory() as temporary:
        master = Path(temporary, "master")
        master.mkdir()
        make_folder(master)
        for number, case in enumerate(CASES):
            folder = Path(temporary, str(number))
            shutil.copytree(master, folder)
            with chdir(folder):
                result = run(case)
            command = case.command if case.shell else f"seqdl {case.command}"
            cells = [f"`{command}`", str(result.exit_code), result.line(case).replace(f"{folder}/", "")]
            yield " | ".join(["| " + case.name, *(_plain(cell) for cell in cells)]) + " |"


def _plain(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode().replace("|", "\\|")


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / part) for part in (".", "data", "vision", "cli")]
    for row in table():
        print(row, flush=True)
