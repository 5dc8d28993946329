"""`seqdl runs` and the pictures it draws."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from seqdl.errors import InputError, SeqdlError, UsageError
from seqdl.training.plots import _one_run, draw_runs, plot_runs, smooth
from seqdl.training.run import Run, held_out_figures
from seqdl.training.runlog import RunLog
from seqdl.training.runs import load_run
from seqdl_cli.runs import app


def record(path: Path, name: str, hidden: int, last: float = 1.5) -> None:
    config = {"model": {"hidden": hidden}, "lr": 0.1}
    with RunLog.create(
        path, name=name, kind="text", command="seqdl train x", config=config, machine={"cpus": 2}
    ) as log:
        for step in range(1, 81):
            log.training(step, step, step / 40, last if step == 80 else 4 / step, 0.01, 1 / step, 1234.5)
        log.validation(40, 40, 2.25, True)
        log.validation(80, 80, 2.5, False)
        log.layers(40, {"w": np.ones(3)}, {"w": np.zeros(3)})
        log.sample(80, 80, "to be [bold]\nor\x1b[2Jnot")
        log.note(60, 60, "rate halved")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "runs.sqlite"
    record(path, "small", 128)
    record(path, "large", 256, last=float("nan"))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def output(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.exception
    return result.stdout


def test_list_is_an_aligned_table(log: Path):
    header, first, second = output("list", "--log", log).splitlines()
    assert first.split()[:3] == ["1", "small", "text"]
    assert first.split()[4:] == ["1m20s", "80", "1.5000", "2.2500", "done"]
    assert header.index("status") == first.index("done") == second.index("done")


def test_list_json_has_a_schema_and_null_for_nan(log: Path):
    document = json.loads(output("list", "--log", log, "--json"))
    assert document["schema"] == "seqdl.runs.list/1"
    assert [entry["name"] for entry in document["runs"]] == ["small", "large"]
    assert [entry["last_loss"] for entry in document["runs"]] == [1.5, None]
    assert document["runs"][0]["seconds"] == 80.0


def test_list_looks_in_the_usual_place(log: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "runs").mkdir()
    log.rename(tmp_path / "runs" / "runs.sqlite")
    monkeypatch.chdir(tmp_path)
    assert "small" in output("list")


def test_list_without_a_log_is_an_input_error(tmp_path: Path):
    result = run("list", "--log", tmp_path / "none.sqlite")
    assert isinstance(result.exception, InputError)
    assert result.stdout == ""


def test_show_tells_settings_figures_sample_and_notes(log: Path):
    text = output("show", "small", "--log", log)
    assert "model.hidden  128" in text
    assert "last        step 80: loss 1.5000, learning rate 0.01, gradient norm 0.0125, 1,234 per second" in text
    assert "best        step 40: validation loss 2.2500" in text
    assert "note        step 60: rate halved" in text
    assert "  | to be [bold]\n" in text


def test_show_prints_no_control_characters_of_a_sample(log: Path):
    text = output("show", "1", "--log", log)
    assert "or\ufffd[2Jnot" in text
    assert "\x1b" not in text


def test_show_json_holds_validation_and_config(log: Path):
    document = json.loads(output("show", "large", "--log", log, "--json"))
    assert document["schema"] == "seqdl.runs.show/1"
    assert document["config"] == {"model": {"hidden": 256}, "lr": 0.1}
    assert document["last"]["loss"] is None
    assert document["best"]["step"] == 40
    assert [row["loss"] for row in document["validation"]] == [2.25, 2.5]


def test_show_of_a_run_without_rows(tmp_path: Path):
    path = tmp_path / "runs.sqlite"
    RunLog.create(path, name="new", kind="dna", command="", config={}, machine={}).finish("failed")
    assert "status      failed, 0 steps" in output("show", "new", "--log", path)
    assert json.loads(output("show", "new", "--log", path, "--json"))["best"] is None


def test_show_of_an_unknown_run(log: Path):
    result = run("show", "huge", "--log", log)
    assert isinstance(result.exception, InputError)
    assert "small, large" in str(result.exception)


def test_compare_shows_only_settings_that_differ(log: Path):
    header, first, second = output("compare", "small", "large", "--log", log).splitlines()
    assert header.split() == ["name", "model.hidden", "steps", "time", "best", "validation", "status"]
    assert first.split() == ["small", "128", "80", "1m20s", "2.2500", "done"]
    assert second.split()[:2] == ["large", "256"]


def test_compare_json_and_picture(log: Path, tmp_path: Path):
    result = run("compare", "1", "2", "--log", log, "--json", "-o", tmp_path / "both.svg")
    document = json.loads(result.stdout)
    assert document["differing"] == ["model.hidden"]
    assert [entry["config"] for entry in document["runs"]] == [{"model.hidden": 128}, {"model.hidden": 256}]
    assert "<svg" in (tmp_path / "both.svg").read_text()


def test_compare_needs_two_runs(log: Path):
    assert isinstance(run("compare", "small", "--log", log).exception, UsageError)


def test_plot_writes_a_png_named_after_the_run(log: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    result = run("plot", "1", "--log", log)
    assert (result.stdout, result.stderr) == ("", "wrote small.png\n")
    assert (tmp_path / "small.png").read_bytes().startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize(("suffix", "magic"), [("svg", b"<?xml"), ("pdf", b"%PDF"), ("PNG", b"\x89PNG")])
def test_plot_format_follows_the_suffix(log: Path, tmp_path: Path, suffix: str, magic: bytes):
    output("plot", "large", "--log", log, "-o", tmp_path / f"new/picture.{suffix}")
    assert (tmp_path / f"new/picture.{suffix}").read_bytes().startswith(magic)


def test_plot_of_another_format_is_wrong_use(log: Path, tmp_path: Path):
    result = run("plot", "small", "--log", log, "-o", tmp_path / "picture.bmp")
    assert isinstance(result.exception, UsageError)


def test_failed_plot_leaves_the_old_picture_and_nothing_else(log: Path, tmp_path: Path, monkeypatch):
    picture = tmp_path / "pictures" / "small.png"
    output("plot", "small", "--log", log, "-o", picture)
    before = picture.read_bytes()

    def full(figure, target: Path, **_: object) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    result = run("plot", "small", "--log", log, "-o", picture)
    assert isinstance(result.exception, SeqdlError)
    assert result.exception.exit_code == 5
    assert [(file, file.read_bytes()) for file in picture.parent.iterdir()] == [(picture, before)]


def test_plot_of_a_run_without_rows(tmp_path: Path):
    path = tmp_path / "runs.sqlite"
    RunLog.create(path, name="new", kind="dna", command="", config={}, machine={}).finish("failed")
    with pytest.raises(InputError, match="'new' has recorded nothing yet"):
        plot_runs([load_run(path, "new")], tmp_path / "new.png")


def test_plot_without_matplotlib_says_how_to_get_it(log: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SeqdlError, match=r"pip install 'seqdl\[plot\]'"):
        plot_runs([load_run(log, 1)], tmp_path / "one.png")
    assert not (tmp_path / "one.png").exists()


def test_plot_takes_dollars_and_a_single_row(tmp_path: Path):
    path = tmp_path / "runs.sqlite"
    with RunLog.create(path, name="$a_{$", kind="dna", command="", config={}, machine={}) as log:
        log.training(1, 0, 0, float("nan"), 0, 0, 0)
    for count in (1, 12):
        plot_runs([load_run(path, 1)] * count, tmp_path / "dollar.png")
    assert (tmp_path / "dollar.png").stat().st_size > 5000


def record_letters(path: Path, samples: list[str], kind: str = "characters") -> Run:
    with RunLog.create(path, name="letters", kind=kind, command="", config={}, machine={}) as log:
        for step, sample in enumerate(samples, 1):
            log.training(step, step, step / 2, 1 / step, 0.01, 1, 900)
            log.validation(step, step, 1 / step, True)
            log.sample(step, step, sample)
    return load_run(path, 1)


ACCURACY = ["mine accuracy 0.5000; all hands accuracy 0.25", "mine accuracy 0.7500; all hands accuracy 0.5"]


def test_figures_on_held_out_data_are_read_from_the_samples(tmp_path: Path):
    found = held_out_figures(record_letters(tmp_path / "runs.sqlite", ACCURACY))
    assert found == {"mine accuracy": [(1, 0.5), (2, 0.75)], "all hands accuracy": [(1, 0.25), (2, 0.5)]}


@pytest.mark.parametrize(
    ("samples", "kind"), [(ACCURACY, "text"), ([*ACCURACY, "to be or not"], "characters"), ([], "sites")]
)
def test_samples_that_are_text_hold_no_figures(tmp_path: Path, samples: list[str], kind: str):
    assert held_out_figures(record_letters(tmp_path / "runs.sqlite", samples, kind)) == {}


def test_plot_of_letters_has_a_panel_of_accuracy_beside_the_loss(tmp_path: Path):
    figure = _one_run(record_letters(tmp_path / "runs.sqlite", ACCURACY))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:2] == ["Loss", "On held-out data"]
    assert [line.get_label() for line in figure.axes[1].lines] == [
        "mine accuracy: 0.7500",
        "all hands accuracy: 0.5000",
    ]
    plot_runs([load_run(tmp_path / "runs.sqlite", 1)], tmp_path / "letters.png")


def test_each_panel_draws_what_its_title_says(log: Path):
    figure = draw_runs([load_run(log, 1)])
    ends = {axes.get_title(loc="left"): axes.lines[-1].get_ydata()[-1] for axes in figure.axes[1:]}
    assert ends == {
        "Learning rate": 0.01,
        "Gradient norm, all parameters": 1 / 80,
        "Weight norm per parameter": pytest.approx(3**0.5),
        "Gradient norm per parameter": 0,
    }


def test_a_drawn_run_shows_itself_in_a_notebook(log: Path):
    assert draw_runs([load_run(log, 1)])._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]


def test_smooth_is_the_mean_around_each_place():
    values = np.array([1.0, 2.0, 6.0, np.nan, 4.0])
    np.testing.assert_allclose(smooth(values, 3), [1.5, 3.0, 4.0, 5.0, 4.0])
    np.testing.assert_allclose(smooth(values, 1), values)


def test_smooth_with_a_window_wider_than_the_values():
    np.testing.assert_allclose(smooth(np.array([1.0, 3.0]), 5), [2.0, 2.0])


@pytest.mark.parametrize("command", ["list", "show", "plot", "compare"])
def test_help_ends_with_an_example(command: str):
    assert f"Example: seqdl runs {command}" in output(command, "--help")


def test_commands_load_without_numpy_or_matplotlib():
    code = "import sys, seqdl_cli.runs; assert not {'numpy', 'matplotlib'} & set(sys.modules), 'too much'"
    folders = repr([folder for folder in sys.path if folder])
    subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {folders}; {code}"], check=True)
