"""`seqdl ocr` as a user meets it: many pictures and one model, formats, files that are whole or not there."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import string
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image, ImageDraw
from typer.testing import CliRunner, Result

from seqdl import parallel
from seqdl.text import CharModel
from seqdl_cli.main import app
from seqdl_vision import Letters, Page, ReadOptions, find_pictures, read_pictures, reading
from seqdl_vision.letters import build

ROOT = Path(__file__).resolve().parent.parent
LABELS = ("", *"0123456789abcdefghijklmnopqrstuvwxyz")


def drawn(*words: str) -> Image.Image:
    """Thick letters on paper, 40 pixels high."""
    image = Image.new("L", (260, 60), 235)
    pen = ImageDraw.Draw(image)
    for at, word in enumerate(words):
        for number, letter in enumerate(word):
            x = 20 + 120 * at + 34 * number
            if letter == "o":
                pen.ellipse((x, 12, x + 22, 48), None, 20, 5)
            elif letter == "l":
                pen.line((x + 8, 10, x + 8, 50), 20, 5)
            else:
                pen.line((x, 12, x + 24, 12, x + 12, 12, x + 12, 48), 20, 5)
    return image


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has learned nothing: what it says is arbitrary and always the same."""
    architecture = {"network": "residual", "width": 4}
    network = build(architecture, len(LABELS), np.random.default_rng(3)).eval()
    path = tmp_path_factory.mktemp("model") / "letters.safetensors"
    Letters(network, architecture, LABELS).save(path)
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    drawn("oll", "tol").save(path)
    return path


@pytest.fixture
def fifty(tmp_path: Path) -> Path:
    """50 pictures in a folder and one below it; 7.png is none. 1, 2, ... 50, not 1, 10, 11."""
    folder = tmp_path / "fifty"
    (folder / "more").mkdir(parents=True)
    for number in range(1, 51):
        drawn("ol" if number % 2 else "l").save(folder / ("more" if number > 40 else ".") / f"{number}.png")
    (folder / "7.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("not called like a picture")
    (folder / ".hidden.png").write_bytes(b"nor is this")
    return folder


Ocr = Callable[..., Result]


@pytest.fixture
def ocr(model: Path) -> Iterator[Ocr]:
    """`seqdl ocr` with the arbitrary model; the exit code must be the one expected."""
    threads = parallel.get_num_threads()

    def run(*arguments: object, exit_code: int = 0, stdin: bytes = b"") -> Result:
        words = ["ocr", *map(str, arguments), "--model", str(model)]
        result = CliRunner().invoke(app, words, input=stdin, prog_name="seqdl")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == exit_code, result.stderr
        return result

    yield run
    parallel.set_num_threads(threads)


def pages(result: Result) -> list[dict]:  # type: ignore[type-arg]
    return [json.loads(line) for line in result.stdout.splitlines()]


# Many pictures


def test_a_folder_is_read_in_order_with_one_model_and_its_bad_file_reported(
    ocr: Ocr, fifty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []
    load = Letters.load

    def counted(path: str | None = None) -> Letters:
        loads.append(path)
        return load(path)

    monkeypatch.setattr(Letters, "load", counted)
    result = ocr(fifty, "--json", "-q", exit_code=3)
    good = [number for number in range(1, 51) if number != 7]
    assert [Path(page["picture"]).stem for page in pages(result)] == [str(number) for number in good]
    assert [line for line in result.stderr.splitlines() if "error" in line] == result.stderr.splitlines()
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"seqdl: error: {fifty}/7.png: ")
    assert len(loads) == 1


def test_results_come_as_soon_as_they_are_there(fifty: Path, model: Path) -> None:
    """The second picture is opened when the first is done with."""
    readings = read_pictures(find_pictures([fifty]), Letters.load(model))
    assert next(readings).picture == str(fifty / "1.png")
    (fifty / "2.png").write_bytes(b"no longer a picture")
    assert next(readings).error is not None


def test_several_photos_in_the_order_given(ocr: Ocr, fifty: Path, photo: Path) -> None:
    result = ocr(fifty / "3.png", photo, fifty / "1.png", "--json")
    assert [Path(page["picture"]).name for page in pages(result)] == ["3.png", "photo.png", "1.png"]


def test_text_of_several_photos_stands_below_their_names(ocr: Ocr, fifty: Path, photo: Path) -> None:
    assert "===" not in ocr(photo).stdout
    heads = [line for line in ocr(photo, fifty / "1.png").stdout.splitlines() if line.startswith("===")]
    assert heads == [f"=== {photo} ===", f"=== {fifty}/1.png ==="]


def test_places_for_results_differ(tmp_path: Path) -> None:
    for name in ("a/x.png", "b/x.png", "b/X.PNG", "b/sub/x.png", "b/10.png", "b/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    found = find_pictures([tmp_path / "a", tmp_path / "a/x.png", tmp_path / "b", "-"])
    assert [each.place for each in found] == [
        "x.png", "x-2.png", "2.png", "10.png", "sub/x.png", "X-3.PNG", "x-4.png", "stdin",
    ]  # fmt: skip


def test_pages_of_a_document_follow_each_other(ocr: Ocr, tmp_path: Path) -> None:
    first, *others = drawn("ol"), drawn("l"), drawn("t")
    first.save(tmp_path / "d.tiff", save_all=True, append_images=others)
    result = ocr(tmp_path / "d.tiff", "--json")
    assert [page["page"] for page in pages(result)] == [1, 2, 3]
    heads = [line for line in ocr(tmp_path / "d.tiff").stdout.splitlines() if line.startswith("===")]
    assert heads == [f"=== {tmp_path}/d.tiff, page {number} ===" for number in (1, 2, 3)]


def test_stdin_is_a_picture(ocr: Ocr, photo: Path) -> None:
    (from_file,) = pages(ocr(photo, "--json"))
    (from_stdin,) = pages(ocr("-", "--json", stdin=photo.read_bytes()))
    assert from_stdin.pop("picture") == "-"
    assert from_stdin == {name: value for name, value in from_file.items() if name != "picture"}


def test_the_number_of_threads_changes_nothing(ocr: Ocr, fifty: Path) -> None:
    one, two = (ocr(fifty, "--json", "-q", "-t", threads, exit_code=3).stdout for threads in (1, 2))
    assert one == two


# Formats


def test_every_format_has_the_same_characters(ocr: Ocr, photo: Path) -> None:
    read = {form: ocr(photo, "--format", form, "-q").stdout for form in ("text", "tsv", "json", "hocr")}
    (page,) = [json.loads(line) for line in read["json"].splitlines()]
    expected = "".join(
        character["text"] for line in page["lines"] for w in line["words"] for character in w["characters"]
    )
    assert expected
    table = list(csv.DictReader(io.StringIO(read["tsv"]), delimiter="\t", quoting=csv.QUOTE_NONE))
    marked = [
        each for each in ElementTree.fromstring(read["hocr"].encode()).iter() if each.get("class") == "ocrx_cinfo"
    ]
    assert "".join(read["text"].split()) == expected
    assert "".join(row["text"] for row in table if row["level"] == "6") == expected
    assert "".join(each.text or "" for each in marked) == expected


@pytest.mark.parametrize(
    ("name", "begins"),
    [("x.txt", ""), ("x.tsv", "level\t"), ("x.jsonl", "{"), ("x.hocr", "<?xml"), ("x.html", "<?xml"), ("x", "")],
)
def test_the_ending_of_the_output_is_its_format(ocr: Ocr, photo: Path, tmp_path: Path, name: str, begins: str) -> None:
    assert ocr(photo, "-o", tmp_path / name).stdout == ""
    assert (tmp_path / name).read_text().startswith(begins)


def test_a_picture_to_a_file_or_to_stdout(ocr: Ocr, photo: Path, tmp_path: Path) -> None:
    ocr(photo, "-o", tmp_path / "read.png")
    content = ocr(photo, "--format", "png").stdout_bytes
    assert content == (tmp_path / "read.png").read_bytes()
    assert Image.open(io.BytesIO(content)).mode == "RGB"


def test_pictures_of_several_go_to_a_folder(ocr: Ocr, fifty: Path, tmp_path: Path) -> None:
    ocr(fifty, "--format", "png", "-o", tmp_path / "out", "-q", exit_code=3)
    files = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
    assert len(files) == 49
    assert {"1.png.png", "more/50.png.png"} <= set(files)


def test_each_page_of_a_document_becomes_a_picture(ocr: Ocr, tmp_path: Path) -> None:
    drawn("ol").save(tmp_path / "d.tiff", save_all=True, append_images=[drawn("l")])
    ocr(tmp_path / "d.tiff", "-o", tmp_path / "read.png")
    assert {path.name for path in tmp_path.glob("*.png")} == {"read.png", "read-2.png"}
    line = ocr(tmp_path / "d.tiff", "--format", "png", exit_code=2).stderr.splitlines()[-1]
    assert "several pages: give -o" in line


# Files


def test_a_file_with_all_but_the_bad_one_is_written(ocr: Ocr, fifty: Path, tmp_path: Path) -> None:
    ocr(fifty, "-o", tmp_path / "out.jsonl", exit_code=3)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 49


@pytest.mark.parametrize("name", ["out.txt", "out.tsv", "out.json", "out.hocr", "out.png"])
def test_where_nothing_could_be_read_the_previous_file_stays(ocr: Ocr, tmp_path: Path, name: str) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    (tmp_path / name).write_text("precious")
    result = ocr(tmp_path / "bad.png", "-o", tmp_path / name, exit_code=3)
    assert (tmp_path / name).read_text() == "precious"
    assert len(result.stderr.splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"bad.png", name}


def test_an_interrupted_file_is_not_there(
    ocr: Ocr, fifty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = reading.read_page
    calls = []

    def interrupted(*arguments: object, **options: object) -> Page:
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return read(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "read_page", interrupted)
    ocr(fifty, "-o", tmp_path / "out.tsv", exit_code=130)
    assert {path.name for path in tmp_path.iterdir()} == {"fifty"}


def test_a_picture_is_not_overwritten_by_what_was_read_of_it(ocr: Ocr, photo: Path) -> None:
    before = photo.read_bytes()
    assert "is read by this command" in ocr(photo, "-o", photo, exit_code=2).stderr
    assert photo.read_bytes() == before


def test_steps_are_written_as_pictures(ocr: Ocr, photo: Path, fifty: Path, tmp_path: Path) -> None:
    ocr(photo, "--debug-dir", tmp_path / "one")
    steps = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(steps) > 1
    assert all((tmp_path / "one" / name).read_bytes().startswith(b"\x89PNG") for name in steps)
    ocr(fifty / "1.png", fifty / "2.png", "--debug-dir", tmp_path / "two")
    assert {path.name for path in (tmp_path / "two").iterdir()} == {"1.png", "2.png"}


def test_steps_that_cannot_be_written_end_the_reading(ocr: Ocr, fifty: Path) -> None:
    result = ocr(fifty / "1.png", fifty / "2.png", "--debug-dir", fifty / "notes.txt", exit_code=5)
    assert len(result.stderr.splitlines()) == 1


# What is said


def test_a_page_without_ink_is_empty_text_and_said_so(ocr: Ocr, tmp_path: Path) -> None:
    Image.new("L", (90, 70), 240).save(tmp_path / "blank.png")
    result = ocr(tmp_path / "blank.png")
    assert result.stdout == ""
    assert result.stderr == f"seqdl: {tmp_path}/blank.png: no ink\n"
    assert ocr(tmp_path / "blank.png", "-q").stderr == ""


def test_what_is_not_sure_is_told_and_replaced_when_asked(ocr: Ocr, photo: Path) -> None:
    plain = ocr(photo)
    assert re.search(r"photo\.png: (\d+) of \1 characters are not sure \(below 0\.5\): \w 0\.\d\d or \w", plain.stderr)
    replaced = ocr(photo, "--min-confidence", "0.9", "--unknown", "*")
    assert set(replaced.stdout.split()[0]) == {"*"}
    assert "(below 0.9)" in replaced.stderr
    (page,) = pages(ocr(photo, "--min-confidence", "0.9", "--json"))
    assert page["lines"][0]["words"][0]["characters"][0]["text"] == "?"
    assert page["lines"][0]["words"][0]["characters"][0]["alternatives"]


def test_options_reach_the_reader(ocr: Ocr, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ReadOptions] = []
    read = reading.read_page
    monkeypatch.setattr(
        reading,
        "read_page",
        lambda image, letters, options, **more: seen.append(options) or read(image, letters, options),
    )
    ocr(photo, "--digits", "--psm", 7, "--min-confidence", 0.25, "--unknown", "#")
    ocr(photo)
    assert (seen[0].symbols, seen[0].psm, seen[0].min_confidence, seen[0].unknown) == (string.digits, 7, 0.25, "#")
    assert set(seen[1].symbols) == {*string.digits, *string.ascii_letters}
    assert (seen[1].psm, seen[1].min_confidence, seen[1].unknown) == (3, 0.0, "?")


def test_a_text_model_reaches_the_reader(
    ocr: Ocr, photo: Path, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    read = reading.read_page

    def watched(image: np.ndarray, letters: Letters, options: ReadOptions, **more: object) -> Page:
        seen.append(options.lm)
        return read(image, letters, options, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "read_page", watched)
    ocr(photo, "--lm", model_file)
    ocr(photo)
    assert isinstance(seen[0], CharModel)
    assert seen[1] is None


@pytest.mark.parametrize(
    ("options", "name"),
    [([], "alphanumeric"), (["--alphanumeric"], "alphanumeric"), (["--digits"], "digits"), (["--letters"], "letters")],
)
def test_what_to_read_chooses_the_model(
    photo: Path, model: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], name: str
) -> None:
    asked = []
    load = Letters.load
    monkeypatch.setattr(Letters, "load", lambda path=None: asked.append(path) or load(model))
    assert CliRunner().invoke(app, ["ocr", str(photo), *options]).exit_code == 0
    assert asked == [name]


def test_help_gives_each_option_its_meaning_and_default(seqdl) -> None:
    text = " ".join(seqdl("ocr", "--help", env={"COLUMNS": "200"}).stdout.decode().split())
    for option in ("output", "format", "model", "letters", "digits", "alphanumeric", "psm", "min-confidence", "unknown",
                   "lm", "debug-dir", "max-pixels", "json", "threads", "quiet"):  # fmt: skip
        assert f"--{option} " in text
    assert text.count("default:") + text.count("Default:") >= 13
    assert "Example: seqdl ocr note.jpg" in text


# A terminal, a pipe


def on_a_terminal(*arguments: object, **environment: str) -> bytes:
    """What `seqdl ARGUMENTS` shows on a terminal that is its stdout and stderr."""
    ours, its = pty.openpty()
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "data", "vision", "cli"))
    variables = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    variables |= {"PYTHONPATH": paths, "TERM": "xterm-256color", **environment}
    command = [sys.executable, "-m", "seqdl_cli.main", *map(str, arguments)]
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=variables)
    os.close(its)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert process.wait(60) in (0, 3)
    return shown


def test_a_terminal_shows_what_is_not_sure_in_red_unless_no_color(photo: Path, model: Path) -> None:
    command = ("ocr", photo, "--model", model, "-q")
    assert b"31m" in on_a_terminal(*command)
    plain = on_a_terminal(*command, NO_COLOR="1")
    assert b"31m" not in plain
    assert b"\x1b[4m" in plain


def test_progress_is_shown_on_a_terminal_only(seqdl, fifty: Path, model: Path, tmp_path: Path) -> None:
    command = ("ocr", fifty, "--model", model, "-o", tmp_path / "out.txt")
    assert re.search(rb"\d+ of 50 pictures", on_a_terminal(*command))
    assert b" of 50 pictures" not in seqdl(*command).stderr


def test_a_closed_pipe_ends_quietly(seqdl, fifty: Path, model: Path) -> None:
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "data", "vision", "cli"))
    command = (
        f"{sys.executable} -m seqdl_cli.main ocr {fifty} --model {model} --json -q | head -c 9; exit ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, env={**os.environ, "PYTHONPATH": paths})
    assert done.returncode == 0, done.stderr
    assert done.stdout == b'{"schema"'
    assert b"Broken" not in done.stderr
