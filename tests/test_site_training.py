"""Training site models: an easy signal is learned, a resumed run is the uninterrupted one, figures are told."""

from __future__ import annotations

import json
import math
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from seqdl.dna import SiteKind, SiteModel
from seqdl.dna.evaluation import evaluate, judge_stretches, mean_loss
from seqdl.dna.training import SiteSettings, resume_sites, train_motif, train_sites
from seqdl.errors import InputError, UsageError
from seqdl.text import TextSettings, train_text
from seqdl.training import checkpoint
from seqdl.training.loop import Report, Settings
from seqdl.training.run import Run
from seqdl.training.runs import load_run
from seqdl_cli.main import app
from seqdl_data import implants
from seqdl_data.dataset import DatasetInfo
from seqdl_data.nucleotides import decode, encode, reverse_complement
from seqdl_data.sites import UNSAID, Labels, Piece, read_stretches, write_sites
from seqdl_data.splice import CLASSES, decoys

TINY = SiteSettings(hidden=6, layers=1, kmer=3, context=10, batch=8, window=80, dropout=0.2)
LEARNS = replace(TINY, hidden=8, batch=16, dropout=0.0)
QUICK = Settings(epochs=1, validations=3, lr=0.01)


@pytest.fixture(autouse=True, scope="module")
def fast_disk():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqdl_data.files._sync", lambda path: None)
        yield


def labelled(letters: bytes) -> Labels:
    """Donors are GT after AC, acceptors come after TCAG; the bases between them count as intron."""
    codes, sites = encode(letters), decoys(encode(letters))
    structure = np.zeros(len(codes), np.uint8)
    for word, shift, label in ((b"ACGT", 2, 1), (b"TCAG", 4, 2)):
        at = letters.find(word)
        while 0 <= at < len(letters) - shift:
            sites[at + shift] = label
            structure[at + shift :] = 2 if label == 1 else 0
            at = letters.find(word, at + 1)
    return Labels(sites, structure)


def piece(split: str, length: int, seed: int) -> Piece:
    codes = np.random.default_rng(seed).integers(0, 4, length).astype(np.uint8)
    back = labelled(decode(reverse_complement(codes)))
    assert back.structure is not None
    return Piece(split, 0, codes, labelled(decode(codes)), Labels(back.sites[::-1], back.structure[::-1]), split)


def write(path: Path, *pieces: Piece, classes: tuple[str, ...] = CLASSES) -> Path:
    write_sites(path, pieces, DatasetInfo("made up", "sites", {}, source="us", licence="CC0", classes=classes))
    return path


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "d.parquet"
    return write(path, piece("train", 12_000, 1), piece("valid", 3_000, 2), piece("test", 3_000, 3))


@pytest.fixture(scope="module")
def trained(dataset: Path) -> Path:
    """The folder of a run that has learned it."""
    folder = dataset.parent / "runs" / "learned"
    outcome = train_sites(dataset, folder, Settings(epochs=12, validations=3, lr=0.02), LEARNS, command="seqdl x")
    assert outcome.ended == "done"
    return folder


# What is learned


def test_an_easy_signal_is_learned(trained: Path, dataset: Path) -> None:
    model = SiteModel.load(trained)
    stretches, _ = read_stretches(dataset, "test")
    for figures in evaluate(model, judge_stretches(model, stretches)):
        assert figures.average_precision > 0.9
        assert figures.auroc > 0.97
        assert figures.calibration_error < 0.05
        assert sum(each.total for each in figures.reliability) == figures.sites + figures.decoys


def test_the_model_file_tells_where_it_comes_from(trained: Path, dataset: Path) -> None:
    model = SiteModel.load(trained)
    assert model.kinds == (SiteKind("donor", "donor", lead=1), SiteKind("acceptor", "acceptor"))
    training, metrics = model.card["training"], model.card["metrics"]
    assert training["sites"]["hidden"] == 8
    assert training["command"] == "seqdl x"
    assert {key: training["data"][key] for key in ("name", "source", "licence")} == {
        "name": "made up", "source": "us", "licence": "CC0"
    }  # fmt: skip
    assert metrics["split"] == "validation"
    assert metrics["sites"]["donor"]["average_precision"] > 0.9
    assert (model.context, model.card["kind"]) == (10, "sites")


def test_its_loss_is_that_of_the_calibrated_probabilities(trained: Path, dataset: Path) -> None:
    model = SiteModel.load(trained)
    judged = judge_stretches(model, read_stretches(dataset, "valid")[0])
    assert mean_loss(model, judged) == pytest.approx(model.card["metrics"]["validation_loss"], rel=1e-6)
    p = np.concatenate([model.probability(k, each.logits) for k, each in enumerate(judged)])
    truth = np.concatenate([each.truth for each in judged])
    assert mean_loss(model, judged) == pytest.approx(-np.log(np.where(truth, p, 1 - p)).mean(), rel=1e-6)


def test_the_report_lies_beside_the_model(trained: Path) -> None:
    report = (trained / "report.txt").read_text()
    assert report.startswith("split: validation\n")
    assert "donor: " in report
    assert report.count("average precision  0.9") + report.count("average precision  1.0") == 2
    assert report.count(" - ") == 20


def test_judging_labels_counts_every_labelled_candidate(dataset: Path) -> None:
    stretches, _ = read_stretches(dataset, "test")
    model = SiteModel.load(dataset.parent / "runs" / "learned")
    for k, each in enumerate(judge_stretches(model, stretches)):
        assert each.truth.sum() == sum((s.labels == k + 1).sum() for s in stretches)
    edge = encode(b"GTAAAAAAAG")  # a site at the very beginning; no base comes after the last AG
    codes = replace(stretches[0], codes=edge, labels=np.array([1] + [UNSAID] * 9, np.uint8))
    assert [each.truth.tolist() for each in judge_stretches(model, [codes])] == [[True], []]


# Going on


def run_of(dataset: Path, folder: Path, stop: int = 0, settings: Settings = QUICK, sites: SiteSettings = TINY) -> str:
    return train_sites(dataset, folder, settings, sites, watch=StopAt(stop)).ended


class StopAt:
    """A watcher that presses Ctrl-C after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def __call__(self, report: Report) -> None:
        if report.kind == "step" and report.progress.step == self.step:
            signal.raise_signal(signal.SIGINT)


def state(folder: Path) -> dict[str, bytes]:
    """All of the last checkpoint but the time it took."""
    arrays, _ = checkpoint.load(folder / "last.safetensors")
    return {name: a.dtype.str.encode() + a.tobytes() for name, a in arrays.items() if name != "progress/seconds"}


def figures(run: Run) -> list[object]:
    """All rows of the log without times."""
    training = [(r.step, r.epoch, r.loss, r.lr, r.grad_norm) for r in run.training]
    validation = [(r.step, r.loss, r.is_best) for r in run.validation]
    return [training, validation, run.layers, [(r.step, r.text) for r in run.samples]]


def assert_same_run(one: Path, other: Path) -> None:
    assert state(one) == state(other)
    runs = [load_run(folder.parent / "runs.sqlite", folder.name) for folder in (one, other)]
    assert figures(runs[0]) == figures(runs[1])
    models = [SiteModel.load(folder) for folder in (one, other)]
    assert models[0].calibration == models[1].calibration
    for name, weight in models[0].network.state_dict().items():
        assert np.array_equal(weight, models[1].network.state_dict()[name])
    assert (one / "report.txt").read_text() == (other / "report.txt").read_text()


SHAPES = {
    "gru": (TINY, QUICK),
    "lstm, two layers, plateau": (replace(TINY, cell="lstm", layers=2), replace(QUICK, schedule="plateau")),
    "no structure, all near sites": (replace(TINY, structure_weight=0.0, near_sites=1.0), QUICK),
}


@pytest.mark.parametrize("name", SHAPES)
def test_resumed_run_is_the_uninterrupted_one(name: str, dataset: Path, tmp_path: Path) -> None:
    sites, settings = SHAPES[name]
    assert run_of(dataset, tmp_path / "whole", 0, settings, sites) == "done"
    assert run_of(dataset, tmp_path / "parts", 5, settings, sites) == "interrupted"
    assert resume_sites(tmp_path / "parts", watch=StopAt(20)).ended == "interrupted"
    assert resume_sites(tmp_path / "parts").ended == "done"
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_stopped_before_the_first_validation_there_is_a_model(dataset: Path, tmp_path: Path) -> None:
    assert run_of(dataset, tmp_path / "run", 1) == "interrupted"
    assert SiteModel.load(tmp_path / "run").calibration == ((1, 0), (1, 0))


def test_run_and_dataset_may_move_together(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "d.parquet").write_bytes(dataset.read_bytes())
    run_of(tmp_path / "a" / "d.parquet", tmp_path / "a" / "runs" / "run", 3)
    (tmp_path / "a").rename(tmp_path / "b")
    assert resume_sites(tmp_path / "b" / "runs" / "run").ended == "done"


def test_a_dataset_that_changed_is_refused(dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "d.parquet"
    copy.write_bytes(dataset.read_bytes())
    run_of(copy, tmp_path / "run", 3)
    write(copy, piece("train", 2000, 7), piece("valid", 500, 8))
    with pytest.raises(InputError, match=r"d.parquet: changed since the run began") as error:
        resume_sites(tmp_path / "run")
    assert error.value.exit_code == 3
    copy.unlink()
    with pytest.raises(InputError, match=r"d.parquet: cannot read"):
        resume_sites(tmp_path / "run")


def test_a_folder_that_holds_a_run_is_refused(trained: Path, dataset: Path) -> None:
    with pytest.raises(UsageError, match="holds a run already"):
        run_of(dataset, trained)


# What there is nothing to learn from


def test_a_dataset_without_a_validation_part(tmp_path: Path) -> None:
    path = write(tmp_path / "d.parquet", piece("train", 1000, 1))
    with pytest.raises(InputError, match=r"d.parquet: no site in it to validate on; build it with a larger valid part"):
        run_of(path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("split", ["test", "train"])
def test_a_dataset_without_a_site_to_train_on(split: str, tmp_path: Path) -> None:
    nothing = piece(split, 1000, 1)
    nothing.forward.sites[:] = nothing.reverse.sites[:] = 0
    path = write(tmp_path / "d.parquet", nothing, piece("valid", 500, 2))
    with pytest.raises(InputError, match=r"d.parquet: there is no site among"):
        run_of(path, tmp_path / "run")


def test_a_validation_part_without_a_site_is_refused(tmp_path: Path) -> None:
    empty = Piece("v", 0, encode(b"A" * 50), labelled(b"A" * 50), None, "valid")
    path = write(tmp_path / "d.parquet", piece("train", 2000, 1), empty)
    with pytest.raises(InputError, match=r"d.parquet: no site in it to validate on"):
        run_of(path, tmp_path / "run")


def test_batches_of_which_nothing_is_said_do_no_harm(dataset: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    sites = replace(TINY, batch=1, window=3, near_sites=0.0, structure_weight=0.0)
    watch = lambda report: notes.append(report.text) if report.kind == "note" else None  # noqa: E731
    assert train_sites(dataset, tmp_path / "run", replace(QUICK, epochs=0.02), sites, watch=watch).ended == "done"
    assert notes == []


@pytest.mark.parametrize(
    "wrong",
    [{"cell": "rnn"}, {"hidden": 0}, {"kmer": 2}, {"dropout": 1.0}, {"context": -1}, {"near_sites": 2.0},
     {"structure_weight": -1.0}, {"structure_weight": math.nan}, {"window": 0}],
    ids=str,
)  # fmt: skip
def test_settings_out_of_range(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        replace(TINY, **wrong)


# Sites of one's own


CORE = b"TTGACATATAAT"


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """120 examples of a site of 16 bases: two random ones on either side of a core."""
    monkeypatch.setattr(implants, "MADE_UP", 40_000)
    monkeypatch.setattr(implants, "ROW", 1000)
    sides = [decode(codes) for codes in np.random.default_rng(1).integers(0, 4, (120, 4)).astype(np.uint8)]
    (tmp_path / "box.fa").write_bytes(
        b"".join(b">x%d\n%s%s%s\n" % (n, s[:2], CORE, s[2:]) for n, s in enumerate(sides))
    )
    return tmp_path / "box.fa"


MOTIF_TINY = replace(LEARNS, window=60, near_sites=0.6)


def test_a_site_of_ones_own_is_learned_and_found(examples: Path, tmp_path: Path) -> None:
    settings = Settings(epochs=4, validations=2, lr=0.02)
    assert train_motif(examples, None, tmp_path / "run", settings, MOTIF_TINY).ended == "done"
    model = SiteModel.load(tmp_path / "run")
    assert model.kinds == (SiteKind("box", lead=8, width=16),)
    assert model.card["metrics"]["sites"]["box"]["average_precision"] > 0.9
    codes = np.random.default_rng(9).integers(0, 4, 600).astype(np.uint8)
    codes[202:214], codes[402:414] = encode(CORE), reverse_complement(encode(CORE))
    calls = model.judge([type("Whole", (), {"codes": codes, "start": 0, "own": (0, 600)})()])
    best = np.argsort(model.probabilities(calls))[-2:]
    assert sorted(zip(calls.start[best].tolist(), calls.reverse[best].tolist(), strict=True)) == [
        (200, False),
        (400, True),
    ]


def test_a_motif_run_resumes_from_the_dataset_in_its_folder(examples: Path, tmp_path: Path) -> None:
    settings = Settings(epochs=0.3, validations=2)
    train_motif(examples, None, tmp_path / "whole", settings, MOTIF_TINY)
    train_motif(examples, None, tmp_path / "parts", settings, MOTIF_TINY, watch=StopAt(4))
    examples.unlink()
    assert resume_sites(tmp_path / "parts").ended == "done"
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


# The commands


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


SMALL = "--hidden 6 --layers 1 --kmer 3 --context 10 --epochs 0.2 --validations 1".split()  # noqa: SIM905


def test_train_splice_says_how_it_ended_and_where(dataset: Path, tmp_path: Path) -> None:
    result = run("train", "splice", dataset, "-o", tmp_path / "run", *SMALL, "--batch", 8, "--window", 80)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{tmp_path / 'run' / 'best.safetensors'}\n"
    assert "nats a candidate" in result.stderr
    assert SiteModel.load(tmp_path / "run").card["training"]["sites"]["window"] == 80


def test_train_motif_on_the_command_line(examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("train", "motif", "--positives", examples, "--hidden", 6, "--kmer", 3, "--epochs", 0.1, "-q")
    assert (result.exit_code, result.stdout) == (0, "runs/motif-1/best.safetensors\n"), result.stderr
    assert result.stderr == ""
    files = {path.name for path in Path("runs/motif-1").iterdir()}
    assert files == {"best.safetensors", "last.safetensors", "report.txt", "dataset.parquet"}


def test_a_text_run_cannot_be_resumed_as_a_site_model(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"to be or not to be " * 99)
    train_text(
        [tmp_path / "text"], tmp_path / "run", Settings(epochs=1, validations=1), TextSettings(hidden=4, batch=2)
    )
    result = run("train", "splice", "--resume", tmp_path / "run")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "a run of another kind; resume it with the command that began it" in result.stderr


def test_a_site_run_cannot_be_resumed_as_a_text_model(trained: Path) -> None:
    result = run("train", "text", "--resume", trained)
    assert (result.exit_code, result.stdout) == (4, "")
    assert "a run of another kind" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("train splice", 2, "name a dataset; `seqdl data build splice` makes one"),
        ("train splice gone.parquet", 3, "gone.parquet: cannot read"),
        ("train splice d.parquet --kmer 4", 2, "--kmer must be 1, 3, 5 or 7"),
        ("train splice d.parquet --minutes 1 --epochs 1", 2, "--minutes and --epochs both bound the training"),
        ("train splice d.parquet --resume run", 2, "give no data and no other option"),
        ("train splice --resume gone", 4, "gone/last.safetensors: no such model file"),
        ("train motif", 2, "--positives FILE: name a FASTA file"),
        ("train motif --positives gone.fa", 3, "gone.fa: cannot read"),
        ("eval splice gone.parquet --model run", 3, "gone.parquet: cannot read"),
        ("eval splice d.parquet --model gone", 4, "gone: no such model file"),
        ("eval splice d.parquet --model run --split all", 2, "--split must be one of train, valid, test, got 'all'"),
        ("eval splice box.parquet --model run", 3, "box.parquet: labels box, where the model finds donor, acceptor"),
        ("eval splice box.parquet --model run --split test", 3, "box.parquet: its test part is empty"),
    ],
)
def test_the_commands_say_in_a_line_what_is_wrong(
    arguments: str,
    code: int,
    message: str,
    trained: Path,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").symlink_to(trained)
    Path("d.parquet").symlink_to(dataset)
    split = "valid" if "--split" in arguments else "test"
    write(Path("box.parquet"), piece(split, 100, 1), classes=("none", "box"))
    result = run(*arguments.split())
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not Path("runs").exists()


# seqdl eval


def test_eval_prints_the_figures(trained: Path, dataset: Path) -> None:
    result = run("eval", "splice", dataset, "--model", trained)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("split: test\n\ndonor: ")
    assert [result.stdout.count(word) for word in ("average precision", "top-k", "AUROC", "calibration error")] == [
        2
    ] * 4


def test_eval_prints_json_that_any_reader_takes(trained: Path, dataset: Path, tmp_path: Path) -> None:
    result = run("eval", "splice", dataset, "--model", trained, "--split", "valid", "--json", "-o", tmp_path / "e.json")
    assert (result.exit_code, result.stdout) == (0, ""), result.stderr
    document = json.loads((tmp_path / "e.json").read_text(), parse_constant=pytest.fail)  # NaN is not JSON
    assert (document["schema"], document["split"]) == ("seqdl.eval.splice/1", "valid")
    donor, acceptor = document["sites"]
    metrics = SiteModel.load(trained).card["metrics"]["sites"]
    assert donor["average_precision"] == metrics["donor"]["average_precision"]
    assert acceptor["sites"] == metrics["acceptor"]["sites"]
    assert len(donor["reliability"]) == 10


@pytest.mark.parametrize(("limit", "code"), [("0.5", 0), ("1.01", 6)])
def test_eval_fails_under_a_limit_after_telling(limit: str, code: int, trained: Path, dataset: Path) -> None:
    result = run("eval", "splice", dataset, "--model", trained, "--fail-under", limit)
    assert (result.exit_code, "average precision" in result.stdout) == (code, True)
    assert ("is below --fail-under 1.01" in result.stderr) == (code == 6)


def test_eval_without_a_site_fails_any_limit_and_still_prints(trained: Path, tmp_path: Path) -> None:
    letters = b"ACGTAAAAAA" * 20  # donors, and no acceptor even possible
    path = write(tmp_path / "d.parquet", Piece("r", 0, encode(letters), labelled(letters), None, "test"))
    result = run("eval", "splice", path, "--model", trained, "--json", "--fail-under", "0")
    assert result.exit_code == 6
    assert "acceptor: average precision nan is below" in result.stderr
    assert json.loads(result.stdout, parse_constant=pytest.fail)["sites"][1]["average_precision"] is None
