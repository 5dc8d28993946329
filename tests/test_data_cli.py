"""`seqdl data`: options reach the library, data goes to stdout, talk to stderr, errors stay SeqdlError."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from seqdl_cli.data import app
from seqdl_data.corpus import read_pieces
from seqdl_data.dataset import read_info
from seqdl_data.errors import InputError, UsageError


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    (tmp_path / "in.txt").write_bytes(b"0123456789" * 100)
    path = tmp_path / "digits.parquet"
    assert run("build", "text", tmp_path / "in.txt", "-o", path, "--licence", "CC0").exit_code == 0
    return path


def test_build_writes_the_file_and_talks_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"0123456789")
    result = run("build", "text", tmp_path / "in.txt", "-o", tmp_path / "out.parquet")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "train 9 bytes, valid 1 bytes" in result.stderr


def test_build_hands_every_option_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/seqdl", "data", "build", "text", "my file"])
    output = tmp_path / "out"
    shares = ["--valid-fraction", "0.2", "--test-fraction", "0.3"]
    words = ["--name", "digits", "--source", "here", "--licence", "CC0"]
    assert run("build", "text", "-", "--output", output, *shares, *words, stdin=b"0123456789").exit_code == 0
    info = read_info(output)
    assert (info.name, info.source, info.licence) == ("digits", "here", "CC0")
    assert [count["bytes"] for count in info.counts.values()] == [5, 2, 3]
    assert info.command == "seqdl data build text 'my file'"


def test_build_reads_standard_input(tmp_path: Path) -> None:
    content = b"to be\r\n\xff\x00"
    assert run("build", "text", "-", "-o", tmp_path / "out", stdin=content).exit_code == 0
    assert b"".join(read_pieces([tmp_path / "out"])) == content


def test_build_of_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    result = run("build", "text", tmp_path / "gone", "-o", tmp_path / "out")
    assert isinstance(result.exception, InputError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [["-o", "out", "--valid-fraction", "1"], ["-o", "-"]])
def test_build_with_wrong_options_is_a_usage_error(options: list[str]) -> None:
    assert isinstance(run("build", "text", "-", *options, stdin=b"text").exception, UsageError)


@pytest.mark.parametrize("arguments", [["build", "text", "in.txt"], ["build", "text", "-o", "out"], ["info"]])
def test_missing_arguments_are_wrong_use(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_info_lists_what_the_dataset_holds(dataset: Path) -> None:
    lines = run("info", dataset).stdout.splitlines()
    assert lines[:6] == [
        "name     digits",
        "kind     text, version 1",
        "train    1 rows, 900 bytes",
        "valid    1 rows, 100 bytes",
        "test     0 rows, 0 bytes",
        "source   not given",
    ]
    assert lines[6] == "licence  CC0"
    assert lines[-1] == f"size     {dataset.stat().st_size:,} bytes"


def test_info_as_json_is_one_document_with_a_schema(dataset: Path) -> None:
    document = json.loads(run("info", dataset, "--json").stdout)
    assert document["schema"] == "seqdl.data.info/1"
    assert (document["file"], document["size"]) == (str(dataset), dataset.stat().st_size)
    assert document["counts"]["valid"] == {"rows": 1, "bytes": 100}
    assert document["licence"] == "CC0"


def test_info_of_what_is_not_a_dataset_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"text")
    assert isinstance(run("info", tmp_path / "in.txt").exception, InputError)


@pytest.mark.parametrize("command", [["build", "text"], ["info"]])
def test_help_ends_with_an_example(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert f"Example: seqdl data {' '.join(command)}" in result.stdout


def test_import_loads_neither_numpy_nor_pyarrow() -> None:
    code = "import sys, seqdl_cli.data; assert not {'numpy', 'pyarrow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
