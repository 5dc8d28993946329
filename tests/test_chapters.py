"""The chapters as notebooks: Jupyter opens them, their short values are taken, their data are there either way."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import jupytext
import numpy as np
import pytest

import build
import datasets
import figures
from seqdl.dna import read_introns
from seqdl_data.fasta import read_fasta
from seqdl_data.images import read_images

DOCS = Path(__file__).resolve().parent.parent / "docs"

CHAPTERS = sorted((DOCS / "chapters").glob("[0-9]*.md"))


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_jupyter_opens_a_chapter_and_its_short_form_is_python_too(path: Path) -> None:
    for text in (path.read_text(), build.shortened(path.read_text())):
        notebook = jupytext.reads(text, fmt="md:myst")
        code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        assert notebook.metadata.kernelspec.name == "python3"
        assert len(code) >= 3
        for source in code:
            ast.parse(source)


def test_a_setting_takes_its_short_value_and_nothing_else_changes() -> None:
    text = "epochs = 8  # short: 1\n    minutes = 3.5  # or so; short: 0.1\nrate = 2  # shortly\nprint('# short: 3')\n"
    short = "epochs = 1\n    minutes = 0.1\nrate = 2  # shortly\nprint('# short: 3')\n"
    assert build.shortened(text) == short


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    datasets.gather(folder, None)
    return folder


@pytest.mark.parametrize(("name", "classes"), [("mnist", 10), ("letters", 26), ("hands", 26)])
def test_without_real_data_a_program_writes_and_says_so(own: Path, name: str, classes: int) -> None:
    test, info = read_images(own / f"{name}.parquet", "test")
    assert "written by a program" in info.source
    assert np.bincount(test.labels).tolist() == [10] * classes
    assert test.strokes is not None
    assert 0.05 < (test.images > 128).mean() < 0.4


def test_sets_of_different_splits_and_names_differ(own: Path) -> None:
    letters = [read_images(own / f"{name}.parquet", split)[0] for name in ("letters", "hands") for split in ("test",)]
    letters.append(read_images(own / "letters.parquet", "valid")[0])
    assert not any(np.array_equal(letters[0].images, other.images) for other in letters[1:])


def test_what_is_there_already_is_not_made_again(own: Path) -> None:
    before = (own / "mnist.parquet").stat().st_mtime_ns
    datasets.gather(own, None)
    assert (own / "mnist.parquet").stat().st_mtime_ns == before


def test_introns_lie_within_the_genome_of_the_chapters(shared_data: Path, tmp_path: Path) -> None:
    datasets._genome(tmp_path, shared_data)
    pieces = list(read_fasta(tmp_path / "genome.fa"))
    codes = np.concatenate([piece.codes for piece in pieces])
    introns = read_introns(tmp_path / "introns.bed")
    assert ({piece.record for piece in pieces}, len(codes)) == ({"II"}, 4_539_804)
    assert len(introns) > 1900
    starts = [codes[intron.start : intron.start + 2].tolist() for intron in introns]
    assert np.mean([bases in ([2, 3], [1, 3]) for bases in starts]) > 0.97  # GT, or CT of the other strand


def test_real_texts_and_photos_are_taken(shared_data: Path, tmp_path: Path) -> None:
    datasets._text(tmp_path, shared_data)
    datasets._photos(tmp_path, shared_data)
    assert (tmp_path / "shakespeare.txt").stat().st_size == 1_115_394
    assert (tmp_path / "photo.txt").read_text().splitlines()[0] == "hello deep learning"
    assert (tmp_path / "dim-photo.txt").read_text() == "abcdefghijk\n"


def test_a_text_of_our_own_takes_the_place_of_a_real_one(own: Path, tmp_path: Path) -> None:
    shutil.copytree(own, tmp_path / "data")
    (tmp_path / "data" / "shakespeare.txt").write_text("of an earlier build")
    said = list(datasets._text(tmp_path / "data", None))
    assert said == ["shakespeare.txt: 20,000 characters that the shipped model wrote"]
    assert (tmp_path / "data" / "shakespeare.txt").read_bytes() == (own / "own-text.txt").read_bytes()


def test_a_folder_of_real_data_that_is_not_there_is_named(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "_made", lambda path, real: False)
    said = datasets.gather(own, Path("/nowhere"))
    assert "/nowhere: no such folder" in said[0]
    assert "written by a program" in said[1]


def test_a_figure_is_kept_under_the_name_of_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "RESULTS", tmp_path)
    row = figures.ROWS[1]
    figures.keep(row.name, "96.8%", seconds=1.6)
    line = next(line for line in figures.table(tmp_path).splitlines() if row.name in line)
    assert line.startswith(f"| {row.chapter} | {row.name} | {row.series} | 96.8% | 2 |")
    assert figures.table(tmp_path).count("not run") == len(figures.ROWS) - 1
    with pytest.raises(KeyError, match="no row"):
        figures.keep("of my own", "1")
