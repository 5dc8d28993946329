"""The run log: what is written can be read, at any moment and after any accident."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from seqdl.errors import InputError, OutputError, UsageError
from seqdl.training import runlog
from seqdl.training.run import LayerRow, differing_keys, flat_config
from seqdl.training.runlog import RunLog, process_start, statistics
from seqdl.training.runs import list_runs, load_array, load_arrays, load_requests, load_run


def create(path: Path, name: str = "first", **config: object) -> RunLog:
    return RunLog.create(path, name=name, kind="text", command="seqdl train", config=config, machine={"cpus": 2})


def write_steps(log: RunLog, first: int, last: int) -> None:
    for step in range(first, last + 1):
        log.training(step, step / 10, step / 100, 1 / step, 0.01, 0.5, 1000.0)
        if step % 10 == 0:
            log.validation(step, step / 10, 2 / step, True)
            log.sample(step, step / 10, f"text of step {step}")
            log.layers(step, {"w": np.full(3, step)}, {"w": np.ones(3)}, full=True)
            log.note(step, step / 10, "a note")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "runs.sqlite"


def test_what_was_written_is_read_back(path: Path):
    with create(path, hidden=256) as log:
        log.training(1, 0.5, 0.1, np.float32(2.25), 1e-3, np.float64(0.75), 1000)
        log.validation(1, 0.6, 2.5, True)
        log.sample(1, 0.7, "to be\nor not")
        log.note(1, 0.8, "rate halved")
    run = load_run(path, "first")
    assert run.training == [(1, 0.5, 0.1, 2.25, 1e-3, 0.75, 1000.0)]
    assert run.validation == [(1, 0.6, 2.5, True)]
    assert run.samples == [(1, 0.7, "to be\nor not")]
    assert run.notes == [(1, 0.8, "rate halved")]
    assert (run.config, run.machine, run.command) == ({"hidden": 256}, {"cpus": 2}, "seqdl train")


def test_summary_has_last_and_best_figures(path: Path):
    with create(path) as log:
        write_steps(log, 1, 25)
        log.validation(26, 2.6, 0.5, False)
    (summary,) = list_runs(path)
    assert (summary.name, summary.kind, summary.status, summary.steps) == ("first", "text", "done", 25)
    assert (summary.last_loss, summary.best_loss, summary.seconds) == (1 / 25, 0.1, 2.6)
    assert summary.started.endswith("Z")


def test_run_without_rows_has_no_figures(path: Path):
    create(path).finish("done")
    (summary,) = list_runs(path)
    assert (summary.steps, summary.last_loss, summary.best_loss) == (0, None, None)


def test_nan_loss_survives(path: Path):
    with create(path) as log:
        log.training(1, 0, 0, float("nan"), 0.1, float("inf"), 1)
    row = load_run(path, 1).training[0]
    assert np.isnan(row.loss)
    assert row.grad_norm == float("inf")
    assert np.isnan(list_runs(path)[0].last_loss)


def test_statistics_by_hand():
    assert statistics(np.array([[3.0, 0.0], [-4.0, 1.0]], dtype=np.float32)) == (
        0.0,
        pytest.approx(6.5**0.5),
        -4.0,
        3.0,
        pytest.approx(26**0.5),
        0.25,
    )


def test_statistics_of_float32_are_computed_in_double():
    values = np.full(10_000_001, 0.1, dtype=np.float32)
    assert statistics(values)[0] == pytest.approx(float(np.float32(0.1)), rel=1e-12)


def test_statistics_of_a_diverged_layer_do_not_warn():
    mean, _, low, high, norm, zeros = statistics(np.array([np.inf, 0.0, -np.inf]))
    assert np.isnan(mean)
    assert (low, high, norm) == (-np.inf, np.inf, np.inf)
    assert zeros == pytest.approx(1 / 3)


def test_statistics_of_an_empty_array_are_not_numbers():
    assert np.isnan(statistics(np.zeros((0, 3)))[0])


def test_layer_rows_say_weight_or_gradient(path: Path):
    with create(path) as log:
        log.layers(7, {"head.bias": np.array([1.0, 1.0])}, {"head.bias": np.array([0.0, 2.0])})
    rows = load_run(path, "first").layers
    assert LayerRow(7, "head.bias", "weight", 1.0, 0.0, 1.0, 1.0, 2**0.5, 0.0) in rows
    assert LayerRow(7, "head.bias", "gradient", 1.0, 1.0, 0.0, 2.0, 2.0, 0.5) in rows


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8"])
def test_full_arrays_come_back_equal(path: Path, dtype: str):
    values = np.arange(24).reshape(2, 3, 4).astype(dtype).transpose(2, 0, 1)  # not contiguous
    with create(path) as log:
        log.layers(3, {"w": values}, {"w": np.float32(2) * np.ones(())}, full=True)
    back = load_array(path, "first", 3, "w")
    np.testing.assert_array_equal(back, values)
    assert back.dtype == values.dtype
    assert load_array(path, "first", 3, "w", "gradient").shape == ()


def test_arrays_of_all_steps_come_in_order(path: Path):
    with create(path) as log:
        for step in (20, 10):
            log.layers(step, {"w": np.full((2, 3), step, np.float32)}, {}, full=True)
    steps, values = load_arrays(path, "first", "w")
    assert (steps.tolist(), values.shape, values.dtype) == ([10, 20], (2, 2, 3), np.float32)
    np.testing.assert_array_equal(values[:, 0, 0], [10, 20])
    assert [len(part) for part in load_arrays(path, "first", "w", "gradient")] == [0, 0]


def test_curves_are_steps_and_values(path: Path):
    with create(path) as log:
        write_steps(log, 1, 20)
    run = load_run(path, "first")
    steps, losses = run.curve("loss")
    np.testing.assert_array_equal(steps, np.arange(1, 21))
    np.testing.assert_allclose(losses, 1 / steps)
    np.testing.assert_array_equal(run.curve("loss", "validation"), [[10, 20], [0.2, 0.1]])


def test_layers_are_steps_and_statistics(path: Path):
    with create(path) as log:
        write_steps(log, 1, 20)
        log.layers(20, {"a": np.ones(4)}, {})
    run = load_run(path, "first")
    assert run.parameters == ["a", "w"]
    np.testing.assert_array_equal(run.layer("w", "mean"), [[10, 20], [10, 20]])
    np.testing.assert_allclose(run.layer("w", of="gradient"), [[10, 20], [np.sqrt(3), np.sqrt(3)]])
    np.testing.assert_array_equal(run.layer("a", "norm"), [[20], [2]])
    assert run.layer("a", of="gradient")[0].size == 0


@pytest.mark.parametrize(
    ("method", "arguments", "said"),
    [
        ("curve", ("lss",), "figure='lss': it must be one of step, seconds, epoch, loss"),
        ("curve", ("lr", "validation"), "figure='lr'"),
        ("curve", ("loss", "test"), "of='test': it must be one of training, validation"),
        ("layer", ("v",), "name='v': it must be one of w"),
        ("layer", ("w", "name"), "figure='name'"),
        ("layer", ("w", "norm", "gradients"), "of='gradients'"),
    ],
)
def test_unknown_curves_name_those_there_are(path: Path, method: str, arguments: tuple[str, ...], said: str):
    with create(path) as log:
        write_steps(log, 1, 10)
    with pytest.raises(UsageError, match=re.escape(said)):
        getattr(load_run(path, "first"), method)(*arguments)


def test_a_run_without_layers_says_so(path: Path):
    with create(path), pytest.raises(UsageError, match="name='w': nothing was recorded"):
        load_run(path, "first").layer("w")


def test_array_that_was_not_recorded(path: Path):
    with create(path) as log:
        log.layers(3, {"w": np.ones(2)}, {})
    with pytest.raises(InputError, match="no values of the weight 'w' at step 3"):
        load_array(path, "first", 3, "w")


def test_text_with_half_a_surrogate_is_stored(path: Path):
    with create(path) as log:
        log.sample(1, 0, "a\udc80b")
    assert load_run(path, "first").samples[0].text == "a?b"


def test_config_may_hold_paths_and_numpy_numbers(path: Path):
    create(path, file=Path("a/b"), rate=np.float32(0.5)).finish("done")
    assert load_run(path, "first").config == {"file": "a/b", "rate": 0.5}


def test_resume_deletes_later_rows_and_ends_up_equal(path: Path, tmp_path: Path):
    with create(path) as log:
        write_steps(log, 1, 37)
    with RunLog.resume(path, "first", 20) as log:
        write_steps(log, 21, 40)
    with create(tmp_path / "whole.sqlite") as log:
        write_steps(log, 1, 40)
    resumed, whole = load_run(path, "first"), load_run(tmp_path / "whole.sqlite", "first")
    for table in ("training", "validation", "layers", "samples", "notes"):
        assert getattr(resumed, table) == getattr(whole, table), table


def test_resume_touches_no_other_run(path: Path):
    for name in ("first", "second"):
        with create(path, name) as log:
            write_steps(log, 1, 20)
    RunLog.resume(path, "first", 5).finish("done")
    assert [run.steps for run in list_runs(path)] == [5, 20]
    with pytest.raises(InputError):
        load_array(path, "first", 10, "w")
    assert load_array(path, "second", 10, "w").tolist() == [10, 10, 10]


def test_resume_sets_the_run_running_again(path: Path):
    create(path).finish("interrupted")
    log = RunLog.resume(path, "first", 0)
    assert list_runs(path)[0].status == "running"
    log.finish("done")


def test_resume_of_an_unknown_run(path: Path):
    create(path).finish("done")
    with pytest.raises(InputError, match="no run named 'other'"):
        RunLog.resume(path, "other", 0)


def test_resume_without_a_log_makes_no_file(path: Path):
    with pytest.raises(InputError, match="there is no run log"):
        RunLog.resume(path, "first", 0)
    assert not path.parent.exists()


def test_a_step_run_again_replaces_its_row(path: Path):
    with create(path) as log:
        for loss in (9.0, 2.0):
            log.training(5, 1, 0, loss, 0.1, 1, 1)
            log.flush()
    assert [row.loss for row in load_run(path, "first").training] == [2.0]


def test_duplicate_name_is_wrong_use(path: Path):
    create(path).finish("done")
    with pytest.raises(UsageError, match="choose another name or resume it"):
        create(path)


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt, "interrupted"), (ValueError, "failed"), (SystemExit, "failed")]
)
def test_exception_ends_the_run(path: Path, error: type[BaseException], status: str):
    def train() -> None:
        with create(path) as log:
            log.training(1, 0, 0, 1, 1, 1, 1)
            raise error

    with pytest.raises(error):
        train()
    assert (list_runs(path)[0].status, list_runs(path)[0].steps) == (status, 1)


def test_finish_inside_the_block_has_the_last_word(path: Path):
    with create(path) as log:
        log.finish("diverged")
    assert list_runs(path)[0].status == "diverged"


def test_rows_wait_a_second_and_no_longer(path: Path, monkeypatch: pytest.MonkeyPatch):
    with create(path) as log:
        log.training(1, 0, 0, 1, 1, 1, 1)
        assert list_runs(path)[0].steps == 0
        monkeypatch.setattr(runlog, "FLUSH_SECONDS", 0.0)
        log.training(2, 0, 0, 1, 1, 1, 1)
        assert list_runs(path)[0].steps == 2


def test_validation_is_readable_at_once(path: Path):
    with create(path) as log:
        log.training(1, 0, 0, 1, 1, 1, 1)
        log.validation(1, 0, 3.0, True)
        assert (list_runs(path)[0].steps, list_runs(path)[0].best_loss) == (1, 3.0)


CHILD = """
import sys
from seqdl.training.runlog import RunLog
log = RunLog.create(sys.argv[1], name="child", kind="text", command="", config={}, machine={})
step = 0
while True:
    step += 1
    log.training(step, step, 0, 1.0, 0.1, 1.0, 1.0)
    if step % 100 == 0:
        log.validation(step, step, 1.0, True)
        print(step, flush=True)
"""


@pytest.fixture
def child(path: Path):
    """A process that writes without end, and has written at least 300 steps."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    arguments = [sys.executable, "-c", CHILD, str(path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        yield process
        process.kill()


def test_killed_process_leaves_a_readable_log(path: Path, child: subprocess.Popen[bytes]):
    child.send_signal(signal.SIGKILL)
    child.wait()
    run = load_run(path, "child")
    assert run.summary.status == "killed"
    assert [row.step for row in run.training] == list(range(1, run.summary.steps + 1))
    assert run.summary.steps >= 300


def test_killed_run_can_be_resumed(path: Path, child: subprocess.Popen[bytes]):
    child.send_signal(signal.SIGKILL)
    child.wait()
    with RunLog.resume(path, "child", 200):
        assert (list_runs(path)[0].status, list_runs(path)[0].steps) == ("running", 200)


def test_living_run_is_running_and_cannot_be_resumed(path: Path, child: subprocess.Popen[bytes]):
    assert list_runs(path)[0].status == "running"
    with pytest.raises(UsageError, match=f"still being trained by process {child.pid}"):
        RunLog.resume(path, "child", 0)


def test_two_processes_write_at_once(path: Path, child: subprocess.Popen[bytes]):
    with create(path, "here") as log:
        write_steps(log, 1, 200)
    first, second = list_runs(path)
    assert (first.name, first.status) == ("child", "running")
    assert (second.name, second.status, second.steps) == ("here", "done", 200)


def test_files_made_at_the_same_moment(tmp_path: Path):
    def make(number: int, name: str) -> None:
        together.wait()
        create(tmp_path / f"{number}.sqlite", name).finish("done")

    together = threading.Barrier(4)
    for number in range(15):
        threads = [threading.Thread(target=make, args=(number, f"run {n}")) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(list_runs(tmp_path / f"{number}.sqlite")) == 4


def test_a_process_number_used_again_is_not_taken_for_the_run(path: Path):
    log = create(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE runs SET process_start = 'another'")
    assert list_runs(path)[0].status == "killed"
    log.finish("done")


def test_run_of_another_machine_is_believed(path: Path):
    log = create(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE runs SET host = 'elsewhere', pid = 999999999")
    assert list_runs(path)[0].status == "running"
    log.finish("done")


def test_process_start_of_nobody_is_none():
    assert process_start(os.getpid()) is not None
    assert process_start(999_999_999) is None


@pytest.mark.parametrize("use", [create, list_runs])
def test_file_that_is_not_sqlite(tmp_path: Path, use):
    path = tmp_path / "text.sqlite"
    path.write_text("this is a text, long enough to hold a header of one hundred bytes " * 20)
    with pytest.raises(InputError, match=r"text\.sqlite: not a run log"):
        use(path)
    assert path.read_text().startswith("this is")


@pytest.mark.parametrize("use", [create, list_runs])
def test_sqlite_file_of_another_program_stays_as_it_is(tmp_path: Path, use):
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(InputError, match="not a run log of seqdl"):
        use(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("use", [create, list_runs])
def test_newer_schema_asks_for_an_upgrade(path: Path, use):
    create(path).finish("done")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(InputError, match=r"made by a newer seqdl .*upgrade"):
        use(path)


REQUEST = {"request": "a1", "method": "GET", "path": "/", "status": 200, "seconds": 0.5, "first_seconds": 0.25,
           "received": 3, "sent": 7, "model": "digits"}  # fmt: skip


def test_requests_of_a_service_come_back(path: Path):
    with create(path) as log:
        log.request(REQUEST)
    (row,) = load_requests(path, "first")
    assert row._asdict() | {"ended": ""} == {key: REQUEST[key] for key in runlog.REQUEST_COLUMNS} | {
        "ended": "",
        "about": {"model": "digits"},
    }


def test_a_log_of_the_first_version_is_read_and_taken_on(path: Path):
    create(path).finish("done")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE requests")
        connection.execute("PRAGMA user_version = 1")
    assert load_requests(path, "first") == []
    with create(path, "second") as log:
        log.request(REQUEST)
    assert [run.name for run in list_runs(path)] == ["first", "second"]
    assert len(load_requests(path, "second")) == 1


def test_missing_and_empty_files_say_so(tmp_path: Path):
    with pytest.raises(InputError, match="there is no run log here"):
        list_runs(tmp_path / "none.sqlite")
    (tmp_path / "empty.sqlite").touch()
    with pytest.raises(InputError, match="the run log is empty"):
        list_runs(tmp_path / "empty.sqlite")


def test_unknown_run_names_those_there_are(path: Path):
    for name in ("first", "second"):
        create(path, name).finish("done")
    with pytest.raises(InputError, match="no run 'third'; the latest runs there: first, second"):
        load_run(path, "third")


def test_a_name_goes_before_a_number(path: Path):
    for name in ("2", "second"):
        create(path, name).finish("done")
    assert load_run(path, "2").summary.id == 1
    assert load_run(path, 2).name == "second"
    assert load_run(path, "1").name == "2"


def test_folder_that_is_a_file_cannot_be_written(tmp_path: Path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(OutputError, match="cannot write"):
        create(tmp_path / "runs" / "runs.sqlite")


def test_full_disk_is_an_output_error_and_the_log_stays_readable(path: Path):
    log = create(path)
    log.validation(1, 0, 1.0, True)
    log._connection.execute("PRAGMA max_page_count = 1")  # the size it has: not one page more
    with pytest.raises(OutputError, match="disk is full"):
        log.layers(2, {"w": np.ones(100_000)}, {}, full=True)
    assert [row.step for row in load_run(path, "first").validation] == [1]
    log._connection.close()


def test_reading_leaves_no_files_behind(path: Path):
    create(path).finish("done")
    load_run(path, "first")
    assert [file.name for file in path.parent.iterdir()] == ["runs.sqlite"]


def test_the_file_is_in_wal_mode(path: Path):
    create(path).finish("done")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_flat_config_and_differing_keys(path: Path):
    create(path, "a", model={"size": 3, "kind": "gru"}, lr=0.1).finish("done")
    create(path, "b", model={"size": 4, "kind": "gru"}, lr=0.1, seed=1).finish("done")
    runs = [load_run(path, name) for name in "ab"]
    assert flat_config(runs[0].config) == {"model.size": 3, "model.kind": "gru", "lr": 0.1}
    assert differing_keys(runs) == ["model.size", "seed"]
