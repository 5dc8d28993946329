"""A scan as a job: the same bytes however it is cut, stopped, resumed or shared out."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seqdl import parallel
from seqdl.dna import job as jobs
from seqdl.dna.job import Job
from seqdl.dna.pipeline import Joined, Shard, Source
from seqdl.errors import OutputError, UsageError
from seqdl_data.fasta import Piece
from seqdl_data.hits import FORMATS, hit_table
from seqdl_data.parts import Parts

ROOT = Path(__file__).resolve().parent.parent


class Words:
    """A scanner that finds one word on the forward strand, slowly if asked to."""

    kind = "motif"
    left, beyond, piece = 0, False, 1000

    def __init__(self, word: Sequence[int] = (0, 1, 2), pause: float = 0.0, stop_at: int | None = None) -> None:
        self.word, self.pause, self.stop_at = np.array(word), pause, stop_at
        self.right = len(word) - 1

    def describe(self) -> dict[str, Any]:
        return {"word": self.word.tolist()}

    def scan(self, pieces: Sequence[Piece]) -> pa.Table:
        time.sleep(self.pause)
        if self.stop_at is not None and pieces[-1].index >= self.stop_at:
            raise KeyboardInterrupt
        joined = Joined.of(pieces)
        windows = np.lib.stride_tricks.sliding_window_view(np.append(joined.codes, [4] * self.right), len(self.word))
        position = np.flatnonzero((windows == self.word).all(axis=1))
        piece, place, owned = joined.places(position)
        piece, place = piece[owned], place[owned]
        zeros = np.zeros(len(place), int)
        return hit_table(
            [each.record for each in pieces], piece, place, place + len(self.word), zeros == 1, ["word"], zeros,
            zeros + 1.5, p_value=zeros + 1 / 64,
        )  # fmt: skip


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = np.random.default_rng(5)
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    letters = np.frombuffer(b"ACGT" * 8 + b"N", np.uint8)
    lengths = [20_000, 1, 0, 3_500, 2, 900, 900, 901]
    path.write_bytes(
        b"".join(b">c%d x\n%s\n" % (n, draw.choice(letters, size).tobytes()) for n, size in enumerate(lengths))
    )
    return path


def job(genome: Path, form: str = "tsv", piece: int = 1000, **options: Any) -> Job:
    return Job(options.pop("scanner", Words()), Source(str(genome), piece=piece), form, **options)


def result(genome: Path, output: Path, form: str = "tsv", **options: Any) -> bytes:
    job(genome, form, **options).to_file(output)
    return output.read_bytes()


@pytest.fixture
def threads() -> Iterator[Any]:
    before = parallel.get_num_threads()
    yield parallel.set_num_threads
    parallel.set_num_threads(before)


def expected(genome: Path) -> list[tuple[str, int]]:
    records = [record.split("\n", 1) for record in genome.read_text().split(">")[1:]]
    plain = [(head.split()[0], body.replace("\n", "")) for head, body in records]
    return [(name, at) for name, body in plain for at in range(len(body)) if body.startswith("ACG", at)]


def test_every_hit_once_and_in_order(genome: Path, tmp_path: Path) -> None:
    result(genome, tmp_path / "x.parquet", "parquet")
    rows = pq.read_table(tmp_path / "x.parquet")
    assert list(zip(rows["sequence_name"].to_pylist(), rows["start"].to_pylist(), strict=True)) == expected(genome)


@pytest.mark.parametrize("form", FORMATS)
def test_same_bytes_for_any_piece_and_number_of_threads(form: str, genome: Path, tmp_path: Path, threads: Any) -> None:
    files = []
    for piece, number in ((1000, 1), (1000, 2), (97, 2), (1 << 20, 1), (901, 3)):
        threads(number)
        files.append(result(genome, tmp_path / f"{piece}-{number}", form, piece=piece))
    assert len(files[0]) > 1000
    assert len(set(files)) == 1


@pytest.mark.parametrize("form", ["tsv", "parquet"])
def test_an_interrupted_scan_goes_on_where_it_stopped(form: str, genome: Path, tmp_path: Path) -> None:
    whole = result(genome, tmp_path / "whole", form)
    for stop in (3, 11, 17):
        with pytest.raises(KeyboardInterrupt):
            job(genome, form, scanner=Words(stop_at=stop)).to_file(tmp_path / "x", every=0)
        assert not (tmp_path / "x").exists()
    seen: list[tuple[int, int]] = []
    said: list[str] = []
    job(genome, form).to_file(tmp_path / "x", watch=lambda *at: seen.append(at), say=said.append)
    assert (tmp_path / "x").read_bytes() == whole
    assert seen[0][0] == 17_000  # bases that the first three runs had finished
    assert seen[-1] == (26_204, len(expected(genome)))
    assert "going on behind 17,000 bases" in said[0]
    assert not (tmp_path / ".x.parts").exists()


def test_ctrl_c_keeps_what_no_part_holds_yet(genome: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        job(genome, scanner=Words(stop_at=9)).to_file(tmp_path / "x")
    with Parts(tmp_path / "x", job(genome).work()) as parts:
        assert parts.done().pieces >= 5


def test_other_options_or_another_input_start_anew(genome: Path, tmp_path: Path) -> None:
    def interrupted() -> None:
        with pytest.raises(KeyboardInterrupt):
            job(genome, scanner=Words(stop_at=9)).to_file(tmp_path / "x", every=0)

    def first_report(**options: Any) -> tuple[int, list[str]]:
        seen: list[int] = []
        said: list[str] = []
        restart = options.pop("restart", False)
        job(genome, **options).to_file(
            tmp_path / "x", restart=restart, watch=lambda bases, hits: seen.append(bases), say=said.append
        )
        return seen[0], said

    interrupted()
    assert first_report()[0] > 0
    for options in ({"scanner": Words((3, 3))}, {"piece": 999}):
        interrupted()
        bases, said = first_report(**options)
        assert bases == 0
        assert "starting anew" in said[0]
    interrupted()
    assert first_report(restart=True) == (0, [])
    interrupted()
    os.utime(genome, (1, 1))
    assert first_report()[0] == 0


def test_a_missing_or_damaged_part_starts_anew(genome: Path, tmp_path: Path) -> None:
    whole = result(genome, tmp_path / "whole")
    for harm in (lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:50])):
        with pytest.raises(KeyboardInterrupt):
            job(genome, scanner=Words(stop_at=9)).to_file(tmp_path / "x", every=0)
        harm(sorted((tmp_path / ".x.parts").glob("*.parquet"))[2])
        assert result(genome, tmp_path / "x") == whole


def test_a_full_disk_at_the_end_keeps_the_parts(genome: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = result(genome, tmp_path / "whole")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(jobs, "write_hits", full)
        with pytest.raises(OutputError, match="x: cannot write: No space left"):
            job(genome).to_file(tmp_path / "x")
    assert not (tmp_path / "x").exists()
    seen: list[int] = []
    job(genome).to_file(tmp_path / "x", watch=lambda bases, hits: seen.append(bases))
    assert seen == [26_204]  # nothing was left to scan
    assert (tmp_path / "x").read_bytes() == whole


def test_two_at_once_on_one_file_are_refused(genome: Path, tmp_path: Path) -> None:
    with Parts(tmp_path / "x", {}), pytest.raises(OutputError, match="another seqdl is writing"):
        job(genome).to_file(tmp_path / "x")


def test_a_failure_before_the_first_part_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad.fa").write_text(">a\nACGT!\n")
    with pytest.raises(Exception, match="record a"):
        job(tmp_path / "bad.fa").to_file(tmp_path / "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.fa"]


def test_the_input_is_not_overwritten_and_a_folder_not_replaced(genome: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is read by this scan"):
        job(genome).to_file(genome)
    with pytest.raises(OutputError, match="Is a directory"):
        job(genome).to_file(tmp_path)


SHARED = [("tsv", 1), ("tsv", 40), ("tsv", 3), ("gff3", 3), ("bed", 3), ("json", 3)]


@pytest.mark.parametrize(("form", "of"), SHARED)
def test_shards_put_together_are_the_whole(form: str, of: int, genome: Path, tmp_path: Path) -> None:
    whole = result(genome, tmp_path / "whole", form)
    files = [tmp_path / f"{number}.{form}" for number in range(1, of + 1)]
    for number, file in enumerate(files, 1):
        result(genome, file, form, shard=Shard(number, of), total=Source(str(genome)).bases())
    assert b"".join(file.read_bytes() for file in files) == whole
    notes = [json.loads(Path(f"{file}.manifest.json").read_text()) for file in files]
    assert [(note["shard"], note["of"], note["file"]) for note in notes] == [
        (number, of, file.name) for number, file in enumerate(files, 1)
    ]
    assert len({note["fingerprint"] for note in notes}) == 1
    assert sum(note["bases"] for note in notes) == 26_204
    assert sum(note["hits"] for note in notes) == len(expected(genome))
    if of == 3:
        assert max(note["bases"] for note in notes) - min(note["bases"] for note in notes) <= 2000


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/2", "1/2/3"])
def test_shards_that_cannot_be(text: str) -> None:
    with pytest.raises(UsageError, match="--shard must be i/n"):
        Shard.parse(text)


def nursery(genome: str, output: str, form: str) -> None:
    """For each line on stdin forks a process that does the job; to import all this takes a second."""
    parallel.set_num_threads(1)
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            job(Path(genome), form, 250, scanner=Words(pause=0.001)).to_file(output, every=0.01)
            os._exit(0)
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)


@pytest.mark.parametrize("form", ["tsv", "parquet"])
def test_kill_9_at_any_moment_leaves_parts_that_go_on(form: str, genome: Path, tmp_path: Path) -> None:
    whole = result(genome, tmp_path / "whole", form, piece=250)
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "data", "cli", "tests"))
    output, kills = tmp_path / "out", 0
    command = [sys.executable, __file__, str(genome), str(output), form]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(30):
            print("go", file=process.stdin, flush=True)
            child = int(process.stdout.readline())
            time.sleep(random.uniform(0.01, 0.1))
            os.kill(child, signal.SIGKILL)
            kills += int(process.stdout.readline()) == signal.SIGKILL
            assert not output.exists() or output.read_bytes() == whole
            if output.exists():
                break
    assert kills >= 2
    assert result(genome, output, form, piece=250) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]


def test_a_stream_needs_no_folder(genome: Path, tmp_path: Path) -> None:
    whole = result(genome, tmp_path / "whole")
    with (tmp_path / "stream").open("wb") as stream:
        job(genome).stream(stream)
    assert (tmp_path / "stream").read_bytes() == whole
    job(genome).to_file("/dev/null")
    assert not Path("/dev/.null.parts").exists()


@pytest.mark.parametrize("number", [1, 2, 4])
def test_in_order_keeps_the_order_and_the_bound_on_threads(number: int, threads: Any) -> None:
    threads(number)
    at_work: list[int] = []
    crowds: list[int] = []

    def work(item: int) -> int:
        at_work.append(item)
        crowds.append(len(at_work))
        inside: list[int] = []
        parallel.run(lambda a, b: inside.append(a), [(0, 1), (1, 2), (2, 3)])
        assert inside == [0, 1, 2] or number == 1
        time.sleep(random.uniform(0, 0.003))
        at_work.remove(item)
        return item * item

    assert list(parallel.in_order(work, range(60))) == [n * n for n in range(60)]
    assert max(crowds) <= number


def test_in_order_raises_what_the_work_raises(threads: Any) -> None:
    threads(2)
    with pytest.raises(ZeroDivisionError):
        list(parallel.in_order(lambda n: 1 // (n - 30), range(60)))
    assert next(parallel.in_order(lambda n: n, iter(range(10**9)))) == 0  # reads ahead, but not everything


def test_parts_of_a_name_with_wildcards(tmp_path: Path) -> None:
    (tmp_path / ".x.1.part").write_text("of somebody else")
    with Parts(tmp_path / "[x]*", {}):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".x.1.part"]


def test_a_part_is_kept_every_so_often_and_before_memory_fills(
    genome: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "ROWS", 30)
    with pytest.raises(KeyboardInterrupt):
        job(genome, scanner=Words(stop_at=15)).to_file(tmp_path / "x")
    assert len(list((tmp_path / ".x.parts").glob("*.parquet"))) > 3


if __name__ == "__main__":
    nursery(*sys.argv[1:])
