"""The report on a model that names characters, its pictures, and `seqdl eval letters`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from seqdl.errors import InputError, ModelFileError, QualityError, UsageError
from seqdl.metrics import reliability
from seqdl.training.loop import Settings
from seqdl_cli.evaluate import app
from seqdl_data.images import ImageSet, Part, write_images
from seqdl_vision import mistakes
from seqdl_vision.charts import CELL, Curve, Histogram, confusion_chart, histogram_chart, reliability_chart
from seqdl_vision.evaluation import figures, judge_logits
from seqdl_vision.letters import Letters, build
from seqdl_vision.mistakes import mistakes_sheet, worst_mistakes
from seqdl_vision.report import Examined, Table, examine, report, write_report
from seqdl_vision.report import Part as JudgedPart
from seqdl_vision.tiles import Line, Tile, enlarged, grey, sheet, signed
from seqdl_vision.training import LetterSettings, train_letters

FILES = {"report.txt", "confusion.png", "mistakes.png", "reliability.png"}


def drawn(labels: list[int], classes: tuple[str, ...]) -> ImageSet:
    """Pictures of bars, as many as their label says, so that they can be learned."""
    images = np.random.default_rng(1).integers(0, 60, (len(labels), 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4 : 4 + 5 * (label + 1), 6:22] = 255
    return ImageSet(images, np.array(labels), classes, np.full(len(labels), "", object))


def examined(chances: list[list[float]], truth: list[int]) -> Examined:
    """Judged as if a model of a, b, Cc had given these probabilities."""
    data = drawn(truth, ("a", "b", "c", "A"))
    judged = judge_logits(np.log(np.array(chances)), ("a", "b", "Cc"), 1.0, data)
    return Examined(JudgedPart("bars", "test", data), judged, figures(judged), None, 0.25)


CHANCES = [[0.9, 0.05, 0.05], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8], [0.3, 0.6, 0.1]]


def test_confusions_of_several_parts_add_up_by_name() -> None:
    table = Table.of([examined(CHANCES, [0, 0, 2, 0]).judged, examined(CHANCES[:1], [1]).judged])
    assert table.classes == ("a", "b", "c")
    assert table.labels == ("a", "b", "Cc")
    assert table.counts.tolist() == [[1, 2, 0], [1, 0, 0], [0, 0, 1]]
    assert table.right.tolist() == [[True, False, False], [False, True, False], [False, False, True]]


def test_most_frequent_confusions_come_first_and_what_was_right_never() -> None:
    worst = Table.of([examined(CHANCES, [0, 0, 2, 0]).judged, examined(CHANCES[:1], [1]).judged]).worst()
    assert [(c.truth, c.guess, c.times) for c in worst] == [("a", "b", 2), ("b", "a", 1)]
    assert worst[0].share == pytest.approx(2 / 3)


def test_mistakes_are_those_the_model_was_surest_of() -> None:
    both = [examined(CHANCES, [0, 0, 2, 0]).judged, examined(CHANCES[:1], [1]).judged]
    found = worst_mistakes(both, most=2)
    assert [(m.truth, m.guess, round(m.confidence, 4)) for m in found] == [("b", "a", 0.9), ("a", "b", 0.7)]
    np.testing.assert_array_equal(found[0].picture, both[1].images[0])
    assert [round(m.confidence, 4) for m in worst_mistakes(both[:1], most=1)] == [0.7]


def test_mistakes_in_pictures_of_shares_are_drawn_as_those_of_bytes() -> None:
    judged = examined(CHANCES, [0, 0, 2, 0]).judged
    faint = replace(judged, images=judged.images // 2)  # stay so
    shares = replace(faint, images=faint.images.astype(np.float32) / 255)
    np.testing.assert_array_equal(mistakes_sheet(shares), mistakes_sheet(faint))


def test_the_sheet_says_what_each_mistake_is_and_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mistakes, "sheet", lambda tiles, columns, scale, title: (tiles, title))
    tiles, title = mistakes_sheet(examined(CHANCES, [0, 0, 2, 0]).judged, examined(CHANCES[:1], [1]).judged, most=2)
    assert title == "The 2 surest of 3 mistakes in 5 pictures"
    assert [[line.text for line in tile.lines] for tile in tiles] == [
        ["is b", "said a  90.0%"],
        ["is a", "said b  70.0%"],
    ]


def test_the_text_tells_figures_intervals_and_confusions() -> None:
    text = report([examined(CHANCES, [0, 0, 2, 0])])
    assert "bars, test part: 4 pictures of 2 classes" in text
    assert "accuracy           0.5000  (95% interval 0.1500 - 0.8500)" in text
    assert "no character       0.2500" in text
    assert "  a     b              2              66.67%" in text


def test_a_model_without_mistakes_is_said_to_have_none() -> None:
    assert report([examined(CHANCES[:1], [0])]).endswith("no mistakes\n")


def model(labels: tuple[str, ...] = ("", "a", "b")) -> Letters:
    network = build({"network": "mlp"}, len(labels), np.random.default_rng(1))
    return Letters(network.eval(), {"network": "mlp"}, labels)


def test_rejected_are_those_that_are_no_character_more_likely_than_not() -> None:
    letters = model()
    letters.network.linear2.weight.data[...] = 0
    for bias, share in [([1.0, 0.5, 0.5], 0.0), ([1.0, 0.2, 0.2], 1.0)]:  # e^0.5 is more than half of e
        letters.network.linear2.bias.data[...] = bias
        assert examine(letters, JudgedPart("x", "test", drawn([0, 1], ("a", "b")))).rejected == share


def test_spoilt_pictures_are_judged_only_when_asked() -> None:
    part = JudgedPart("x", "test", drawn([0, 1] * 20, ("a", "b")))
    assert examine(model(), part).spoilt is None
    spoilt = examine(model(), part, spoil=True).spoilt
    assert spoilt is not None
    assert spoilt.count == 40


def test_a_model_of_other_characters_is_an_input_error() -> None:
    with pytest.raises(InputError, match="bars: the model knows none of its classes, x, y"):
        examine(model(), JudgedPart("bars", "test", drawn([0, 1], ("x", "y"))))


def colour_at(image: Image.Image, x: float, y: float) -> tuple[int, ...]:
    pixel = image.getpixel((round(x), round(y)))
    assert isinstance(pixel, tuple)
    return pixel


def test_right_cells_are_blue_wrong_ones_red_and_others_paper() -> None:
    image = confusion_chart(np.array([[9, 1], [0, 5]]), ("a", "b"))
    left, top = 62, image.height - 16 - 2 * CELL
    corner = [[colour_at(image, left + k * CELL + 3, top + c * CELL + 3) for k in (0, 1)] for c in (0, 1)]
    assert corner[0][0][2] > corner[0][0][0] + 50
    assert corner[0][1][0] > corner[0][1][2] + 50
    assert corner[1][0] == (255, 255, 255)
    assert corner[1][1][0] < corner[0][0][0]  # all of its row: stronger


@pytest.mark.parametrize("count", [0, 1, 2, 40])
def test_charts_and_sheets_take_any_number_of_things(count: int) -> None:
    bins = reliability(np.array([0.3, 0.95]), np.array([0.0, 1.0]))
    none = reliability(np.empty(0), np.empty(0))
    reliability_chart([Curve("x", bins if n % 2 else none, 0.1) for n in range(count)])
    histogram_chart([Histogram("w", "about", np.arange(n % 3), -1.0, 1.0) for n in range(count)], title="weights")
    sheet([Tile(np.zeros((28, 28), np.uint8), [Line("is a")])] * count, 10, 3, "title")


def test_a_sheet_holds_its_pictures_enlarged_in_order() -> None:
    first, second = np.full((2, 2), 40, np.uint8), np.full((2, 2), 200, np.uint8)
    image = sheet([first, Tile(second)], columns=2, scale=5)
    assert image.size == (16 + 10 + 10 + 10 + 16, 16 + 10 + 16)
    assert colour_at(image, 25, 25) == (40, 40, 40)
    assert colour_at(image, 36, 16) == (200, 200, 200)
    assert enlarged(first, 3).size == (6, 6)


def test_signed_values_are_white_at_zero_red_above_blue_below() -> None:
    zero, high, low = signed(np.array([[0.0, 2.0, -1.0]]))[0].tolist()
    assert zero == [255, 255, 255]
    assert high == [198, 47, 42]
    assert low[2] > low[0]
    assert signed(np.zeros((2, 2))).min() == 255


def test_grey_is_black_at_zero_and_white_at_the_most() -> None:
    assert grey(np.array([[0.0, 1.0, 2.0]])).tolist() == [[0, 128, 255]]
    assert grey(np.array([[1.0, 9.0]]), most=4).tolist() == [[64, 255]]
    assert grey(np.zeros((1, 2))).tolist() == [[0, 0]]


def test_the_report_is_a_text_and_three_pictures(tmp_path: Path) -> None:
    write_report([examined(CHANCES, [0, 0, 2, 0])], tmp_path / "report")
    assert {path.name for path in (tmp_path / "report").iterdir()} == FILES
    for path in (tmp_path / "report").glob("*.png"):
        with Image.open(path) as image:
            assert min(image.size) > 60
    assert "a       1    2    ." in (tmp_path / "report/report.txt").read_text()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "bars.parquet"
    data = drawn([0, 1, 2] * 40, ("a", "b", "7"))
    part = Part({"rows": 120}, [data])
    write_images(path, {"train": part, "valid": part, "test": part}, data.classes)
    return path


@pytest.fixture(scope="module")
def trained(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "bars"
    settings = LetterSettings(network="mlp", batch=16, augment=0, junk=0, dropout=0)
    train_letters([dataset, dataset], folder, Settings(epochs=3, validations=1), settings)
    return folder


def test_a_training_leaves_a_report_of_the_test_part_each_dataset_once(trained: Path) -> None:
    assert {path.name for path in (trained / "report").iterdir()} == FILES
    text = (trained / "report/report.txt").read_text()
    assert text.count("bars, test part: 120 pictures") == 1
    assert "spoilt pictures" in text


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["letters", *map(str, arguments)])


def test_eval_prints_the_report(trained: Path, dataset: Path) -> None:
    result = run(dataset, "--model", trained)
    assert result.exit_code == 0, result.exception
    assert "bars, test part: 120 pictures of 3 classes" in result.stdout
    assert "spoilt" not in result.stdout


def test_eval_json_has_figures_of_each_dataset(trained: Path, dataset: Path) -> None:
    result = run(dataset, dataset, "--model", trained, "--json", "--corrupt", "--split", "valid")
    document = json.loads(result.stdout)
    assert document["schema"] == "seqdl.eval.letters/1"
    assert [part["split"] for part in document["parts"]] == ["valid", "valid"]
    assert document["parts"][0]["accuracy"] > 0.9
    assert 0 <= document["parts"][0]["spoilt"]["accuracy"] <= 1


def test_eval_of_one_kind_alone(trained: Path, dataset: Path) -> None:
    document = json.loads(run(dataset, "--model", trained, "--json", "--only", "digits").stdout)
    assert document["parts"][0]["count"] == 40
    assert document["parts"][0]["accuracy"] == 1  # nothing else to choose


def test_eval_writes_its_report_and_its_output(trained: Path, dataset: Path, tmp_path: Path) -> None:
    result = run(dataset, "--model", trained, "--report", tmp_path / "r", "-o", tmp_path / "out.txt")
    assert (result.exit_code, result.stdout) == (0, "")
    assert {path.name for path in (tmp_path / "r").iterdir()} == FILES
    assert "accuracy" in (tmp_path / "out.txt").read_text()


def test_eval_below_the_gate_prints_and_fails_with_6(trained: Path, dataset: Path) -> None:
    result = run(dataset, "--model", trained, "--fail-under", "1.01")
    assert isinstance(result.exception, QualityError)
    assert "bars: accuracy" in str(result.exception)
    assert "accuracy" in result.stdout
    assert run(dataset, "--model", trained, "--fail-under", "0.5").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("--split", "exam"), UsageError, "--split must be one of"),
        (("--only", "runes"), UsageError, "--only must be letters or digits"),
        (("--model", "gone"), ModelFileError, "gone: no such model file"),
    ],
)
def test_wrong_use_of_eval(dataset: Path, arguments: tuple[str, str], error: type, message: str) -> None:
    result = run(dataset, *arguments)
    assert isinstance(result.exception, error)
    assert message in str(result.exception)


def test_eval_of_an_empty_part(trained: Path, tmp_path: Path) -> None:
    data = drawn([0], ("a",))
    write_images(tmp_path / "one.parquet", {"train": Part({"rows": 1}, [data])}, data.classes)
    result = run(tmp_path / "one.parquet", "--model", trained)
    assert isinstance(result.exception, InputError)
    assert "one.parquet: no characters in its test part" in str(result.exception)
