"""`seqdl generate text` and `score text` as a user meets them, and what --help and --version promise."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from seqdl.text import CharModel, SamplingOptions, TextSettings, train_text
from seqdl.text.decoding import Piece
from seqdl.text.vocabulary import ByteVocabulary
from seqdl.training.loop import Settings
from seqdl_cli.main import app
from seqdl_cli.score import _print_coloured
from seqdl_data.version import VERSION

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in (".", "data", "vision", "cli"))}
HEAVY = {"numba", "scipy", "pyarrow", "Bio", "numpy", "matplotlib", "PIL"}


def run(*arguments: object, stdin: bytes = b"") -> Result:
    result = CliRunner().invoke(app, [str(a) for a in arguments], input=stdin, prog_name="seqdl")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def generate(model_file):
    """`seqdl generate text`: what it writes to stdout."""

    def generated(*arguments: object, stdin: bytes = b"") -> str:
        result = run("generate", "text", *arguments, "--model", model_file, stdin=stdin)
        assert result.exit_code == 0, result.stderr
        return result.stdout_bytes.decode()

    return generated


# Seeds


def test_same_seed_gives_the_same_bytes_for_any_number_of_threads(seqdl, model_file) -> None:
    command = ("generate", "text", "In line", "-n", 400, "--seed", 7, "--model", model_file)
    one, two = seqdl(*command, "--threads", 1), seqdl(*command, "--threads", 2)
    assert one.returncode == two.returncode == 0
    assert one.stdout == two.stdout
    assert len(one.stdout) > 300
    assert one.stderr == two.stderr == b"seqdl: seed 7\n"


def test_seed_that_was_drawn_is_printed_and_gives_the_same_text(model_file, generate) -> None:
    first = run("generate", "text", "-n", 60, "--model", model_file)
    (seed,) = re.findall(r"^seqdl: seed (\d+)$", first.stderr, re.MULTILINE)
    assert generate("-n", 60, "--seed", seed) == first.stdout
    assert generate("-n", 60, "--seed", int(seed) + 1) != first.stdout


def test_quiet_says_nothing(model_file) -> None:
    assert run("generate", "text", "-n", 5, "--quiet", "--model", model_file).stderr == ""


def test_quiet_does_not_even_speak_of_compiling(seqdl, model_file, tmp_path: Path) -> None:
    cold = {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = ("generate", "text", "-n", 5, "-s", 1, "--model", model_file)
    assert b"compiling, once" in seqdl(*command, env=cold).stderr
    cold["NUMBA_CACHE_DIR"] += "/second"
    assert seqdl(*command, "--quiet", env=cold).stderr == b""


# Prompt and output


def test_prompt_as_argument_file_or_stdin(generate, tmp_path: Path) -> None:
    (tmp_path / "prompt").write_bytes("In líne 7".encode())
    wanted = generate("In líne 7", "-n", 40, "--seed", 1)
    assert wanted.startswith("In líne 7")
    assert generate("--prompt-file", tmp_path / "prompt", "-n", 40, "--seed", 1) == wanted
    assert generate("-", "-n", 40, "--seed", 1, stdin="In líne 7".encode()) == wanted
    assert generate("--prompt-file", "-", "-n", 40, "--seed", 1, stdin="In líne 7".encode()) == wanted


def test_without_echo_the_prompt_is_left_out(generate) -> None:
    both = generate("In line", "-n", 40, "--seed", 1)
    assert "In line" + generate("In line", "-n", 40, "--seed", 1, "--no-echo") == both


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_output_file_holds_what_stdout_would(generate, options: list[str], tmp_path: Path) -> None:
    assert generate("a", "-n", 40, "--seed", 1, *options, "--output", tmp_path / "deep" / "out") == ""
    written = (tmp_path / "deep" / "out").read_text()
    on_stdout = generate("a", "-n", 40, "--seed", 1, *options)
    if options:
        texts = [json.loads(document) | {"seconds": 0} for document in (written, on_stdout)]
        assert texts[0] == texts[1]
    else:
        assert written == on_stdout
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]


def test_output_goes_into_a_pipe_as_it_is(seqdl, model_file, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE) as reader:
        seqdl("generate", "text", "a", "-n", 30, "-s", 1, "--model", model_file, "-o", tmp_path / "pipe")
        assert len(reader.communicate(timeout=30)[0]) > 10
    assert (tmp_path / "pipe").is_fifo()


def test_closed_pipe_ends_quietly(model_file) -> None:
    command = [sys.executable, "-m", "seqdl_cli.main", "generate", "text", "-n", "2000000", "-s", "1"]
    with subprocess.Popen(
        [*command, "--model", str(model_file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert len(process.stdout.read(20)) == 20  # it flows before all is written
        process.stdout.close()
        assert process.stderr.read() == b"seqdl: seed 1\n"
        assert process.wait(60) == 0


# Sampling options reach the kernel


def test_temperature_zero_does_not_depend_on_the_seed(generate) -> None:
    assert generate("In", "-n", 50, "--temp", 0, "-s", 1) == generate("In", "-n", 50, "--temperature", 0, "-s", 2)
    assert generate("In", "-n", 50, "--top-k", 1, "-s", 1) == generate("In", "-n", 50, "--top-p", 0, "-s", 2)
    assert generate("In", "-n", 50, "--temp", 0, "-s", 1) == generate("In", "-n", 50, "--min-p", 1, "-s", 2)


@pytest.mark.parametrize(
    "penalty", [["--repeat-penalty", 9], ["--presence-penalty", 20], ["--frequency-penalty", 20]], ids=str
)
def test_penalties_forbid_what_was_just_written(generate, penalty: list[object]) -> None:
    options = ["-n", 12, "--temp", 0, "-s", 1, "--json", "--repeat-last-n"]
    symbols = json.loads(generate("In", *options, 64, *penalty))["symbols"]
    if penalty[0] != "--repeat-penalty":  # which leaves a positive score positive
        assert len(set(symbols)) == len(symbols)
    assert symbols != json.loads(generate("In", *options, 64))["symbols"]
    assert (
        json.loads(generate("In", *options, 0, *penalty))["symbols"]
        == json.loads(generate("In", *options, 64))["symbols"]
    )


def test_text_ends_before_a_stop_string(generate) -> None:
    options = ["In line", "-n", 120, "--temp", 0, "-s", 1, "--no-echo"]
    text = generate(*options)[:-1]
    for first, last in ((0, 1), (14, 19), (30, 33), (60, 64)):
        stop = text[first:last]
        assert generate(*options, "--stop", stop) == text[: text.index(stop)] + "\n"
    assert generate(*options, "--stop", "\x00", "--stop", text[40:44], "--stop", text[20:24]) == (
        text[: min(text.index(text[40:44]), text.index(text[20:24]))] + "\n"
    )
    assert generate(*options, "--stop", "never written") == text + "\n"


# --json


def test_json_document(generate, model_file, tmp_path: Path) -> None:
    prompt = "In line 12 the"
    arguments = [prompt, "-n", 80, "--seed", 3, "--top-k", 3, "--temp", 0.5, "--json"]
    document = json.loads(generate(*arguments))
    assert document["schema"] == "seqdl.generate.text/1"
    assert (document["seed"], document["prompt"], document["model"]) == (3, prompt, str(model_file))
    assert document["options"] == vars(SamplingOptions(temperature=0.5, top_k=3))
    assert prompt + document["text"] + "\n" == generate(*arguments[:-1])
    assert bytes(document["symbols"]).decode() == document["text"]
    assert len(document["logprobs"]) == len(document["symbols"]) > 70

    (tmp_path / "text").write_text(prompt + document["text"])
    scored = run("score", "text", tmp_path / "text", "--model", model_file, "--lanes", 1, "--json")
    surprisal = json.loads(scored.stdout)["surprisal"]
    assert surprisal[0] is None
    assert [-value for value in document["logprobs"]] == pytest.approx(surprisal[len(prompt) :], rel=1e-3, abs=1e-4)


def test_score_adds_up(model_file, corpus) -> None:
    document = json.loads(run("score", "text", corpus, "--model", model_file, "--json").stdout)
    assert document["schema"] == "seqdl.score.text/1"
    assert document["bytes"] == document["symbols"] == corpus.stat().st_size
    nats = document["surprisal"][1:]
    assert document["nats_per_symbol"] == pytest.approx(sum(nats) / len(nats), abs=1e-4)
    assert document["bits_per_byte"] == pytest.approx(document["nats_per_symbol"] / math.log(2))
    shown = run("score", "text", corpus, "--model", model_file).stdout
    assert f"{document['bits_per_byte']:.4f}" in shown


# --count


def test_count_writes_the_texts_that_each_seed_gives_alone(generate, model_file) -> None:
    options = ["In line", "-n", 40, "--temp", 0.7]
    alone = [generate(*options, "-s", seed) for seed in (5, 6, 7)]
    together = run("generate", "text", *options, "-s", 5, "--count", 3, "--model", model_file)
    assert together.stdout == "".join(f"=== seed {s} ===\n{text}" for s, text in zip((5, 6, 7), alone, strict=True))
    assert together.stderr == "seqdl: seeds 5 to 7\n"


def test_count_with_json_writes_a_document_a_line(generate) -> None:
    options = ["In line", "-n", 30, "--json", "--stop", "dog"]
    together = [json.loads(line) for line in generate(*options, "-s", 0, "-c", 300).splitlines()]
    assert [document["seed"] for document in together] == list(range(300))
    for seed in (0, 255, 256, 299):  # 256 are written side by side
        assert together[seed] | {"seconds": 0} == json.loads(generate(*options, "-s", seed)) | {"seconds": 0}


def test_count_writes_300_texts_as_the_library_writes_each_alone(generate, model_file) -> None:
    model = CharModel.load(model_file)
    for line in generate("In line", "-n", 30, "--json", "--stop", "dog", "-s", 0, "-c", 300).splitlines():
        document = json.loads(line)
        options = SamplingOptions(**document["options"])
        alone = Piece.joined(model.generate("In line", 30, seed=document["seed"], options=options, stop=["dog"]))
        assert (document["text"], document["symbols"]) == (alone.text, alone.symbols)
        assert document["logprobs"] == [round(value, 6) for value in alone.logprobs]


# UTF-8


@pytest.fixture(scope="module")
def euro_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte model of a text of one character, which has three bytes."""
    folder = tmp_path_factory.mktemp("euro")
    (folder / "text").write_bytes("€".encode() * 1500)
    settings = Settings(epochs=8, validations=1, lr=0.02)
    train_text([folder / "text"], folder / "run", settings, TextSettings(hidden=16, batch=4, window=32))
    return folder / "run"


@pytest.mark.parametrize("length", range(8))
def test_output_never_stops_inside_a_character(length: int, euro_model: Path) -> None:
    result = run("generate", "text", "€€", "-n", length, "--temp", 0, "-s", 1, "--model", euro_model)
    assert result.stdout_bytes.decode() == "€€" + "€" * (length // 3) + "\n"


def test_logprobs_are_of_the_characters_that_were_printed(euro_model: Path) -> None:
    result = run("generate", "text", "€€", "-n", 8, "--temp", 0, "-s", 1, "--json", "--model", euro_model)
    document = json.loads(result.stdout_bytes)
    assert bytes(document["symbols"]).decode() == document["text"] == "€€"
    assert len(document["logprobs"]) == 6


def test_random_bytes_are_still_utf8(seqdl, model_file) -> None:
    """At this temperature every byte is as likely as any other."""
    result = seqdl("generate", "text", "-n", 3000, "--temp", 100, "-s", 1, "--model", model_file)
    assert result.returncode == 0
    assert len(result.stdout.decode()) > 1000
    document = list(CharModel.load(model_file).generate("", 300, seed=1, options=SamplingOptions(temperature=100.0)))
    assert "\ufffd" in "".join(piece.text for piece in document)


# Help and version


@pytest.mark.parametrize(("argument", "answer"), [("--help", "Usage: "), ("--version", f"seqdl {VERSION}\n")])
def test_help_and_version_import_nothing_heavy_and_answer_at_once(argument: str, answer: str) -> None:
    code = f"""
import sys, seqdl_cli.main
sys.argv = ["seqdl", "{argument}"]
try:
    seqdl_cli.main.main()
finally:
    print(sorted({HEAVY} & sys.modules.keys()), file=sys.stderr)"""
    took = []
    for _ in range(3):
        began = time.perf_counter()
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, env=ENVIRONMENT, check=True)
        took.append(time.perf_counter() - began)
    assert result.stderr == b"[]\n"
    assert answer in result.stdout.decode()
    assert min(took) < 1.0  # 0.3 s on a machine with nothing else to do


def commands(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    group = typer.main.get_command(app) if group is None else group
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands())


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_command_has_help_that_ends_with_an_example(path: tuple[str, ...]) -> None:
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert f"Example: seqdl {' '.join(path)}" in " ".join(result.stdout.split())
    for parameter in COMMANDS[path].params:
        assert parameter.help, f"{parameter.name} has no help"


def test_groups_have_help() -> None:
    for name in ([], ["train"], ["generate"], ["score"], ["data"], ["runs"]):
        assert run(*name, "--help").exit_code == 0


DEFAULTS = {
    name: field.default for kind in (Settings, TextSettings) for name, field in kind.__dataclass_fields__.items()
}
TRAINING = {p.name: p for p in COMMANDS["train", "text"].params}


@pytest.mark.parametrize("name", sorted(set(TRAINING) & set(DEFAULTS) - {"minutes", "log_arrays"}))
def test_defaults_that_help_states_are_those_of_the_settings(name: str) -> None:
    assert type(DEFAULTS[name])(TRAINING[name].show_default) == DEFAULTS[name]
    assert TRAINING[name].default is None


def test_defaults_of_sampling_are_those_of_the_library() -> None:
    parameters = {p.name: p.default for p in COMMANDS["generate", "text"].params}
    options = vars(SamplingOptions())
    assert {name: parameters[name] for name in options} == options


def test_scored_text_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    text = b"a\x1b[2J\tb\n\x00c"
    _print_coloured(ByteVocabulary(), np.frombuffer(text, np.uint8), np.ones(len(text) - 1))
    printed = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)  # rich's own colours
    assert "\x1b" not in printed
    assert printed.splitlines() == ["a\ufffd[2J        b", "\ufffdc"]
