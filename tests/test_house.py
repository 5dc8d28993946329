"""The house: packages, who imports whom, what is public, what the wheel holds."""

from __future__ import annotations

import ast
import graphlib
import importlib
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from seqdl.modelfile import read_metadata
from seqdl.text.model import CharModel, model_path

ROOT = Path(__file__).resolve().parent.parent
ROOTS = {
    "seqdl": ROOT / "seqdl",
    "seqdl_data": ROOT / "data/seqdl_data",
    "seqdl_vision": ROOT / "vision/seqdl_vision",
    "seqdl_serve": ROOT / "cli/seqdl_serve",
    "seqdl_cli": ROOT / "cli/seqdl_cli",
}
MAY_IMPORT = {
    "seqdl_data": {"seqdl_data"},
    "seqdl": {"seqdl", "seqdl_data"},
    "seqdl_vision": {"seqdl_vision", "seqdl", "seqdl_data"},
    "seqdl_serve": {"seqdl_serve", "seqdl_vision", "seqdl", "seqdl_data"},
    "seqdl_cli": set(ROOTS),
}
PUBLIC = ("seqdl", "seqdl.nn", "seqdl.ops", "seqdl.text", "seqdl.dna", "seqdl.training", "seqdl_vision")  # root lists


def modules() -> Iterator[tuple[str, Path]]:
    for name, folder in ROOTS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = (name, *path.relative_to(folder).with_suffix("").parts)
            yield ".".join(p for p in parts if p != "__init__"), path


def imported(path: Path, top_level_only: bool = False) -> Iterator[str]:
    """Full names of what a module imports: of `from a import b` both a and a.b."""
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_package_list_names_every_folder() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {name for name, path in modules() if path.name == "__init__.py"}
    assert set(listed) == found


@pytest.mark.parametrize("package", ROOTS)
def test_imports_point_one_way(package: str) -> None:
    for name, path in modules():
        if name.split(".")[0] == package:
            ours = {part.split(".")[0] for part in imported(path)} & set(ROOTS)
            assert ours <= MAY_IMPORT[package], f"{name} imports {ours - MAY_IMPORT[package]}"


def test_modules_import_each_other_without_cycle() -> None:
    names = dict(modules())
    graph = {name: {i for i in imported(path, top_level_only=True) if i in names} for name, path in names.items()}
    tables_of_contents = {name for name, path in names.items() if path.name == "__init__.py"}
    graph = {name: needs - tables_of_contents for name, needs in graph.items()}
    assert list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


@pytest.mark.parametrize("root", PUBLIC)
def test_everything_public_exists_and_is_listed_once(root: str) -> None:
    library = importlib.import_module(root)
    assert [name for name in library.__all__ if not hasattr(library, name)] == []
    assert len(set(library.__all__)) == len(library.__all__)


def test_readme_names_every_command() -> None:
    from typer.main import get_command

    from seqdl_cli.main import app

    readme = (ROOT / "README.md").read_text()

    def paths(command, prefix: str) -> Iterator[str]:  # type: ignore[no-untyped-def]
        children = getattr(command, "commands", {})
        if not children:
            yield prefix
        for name, child in children.items():
            yield from paths(child, f"{prefix} {name}")

    missing = [path for path in paths(get_command(app), "seqdl") if path not in readme]
    assert not missing


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = tmp_path_factory.mktemp("source") / "seqdl"
    leftovers = shutil.ignore_patterns(".*", "build", "runs", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, source, ignore=leftovers)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, source]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_only_seqdl_packages_and_the_shipped_model(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(ROOTS)
    assert "seqdl/models/shakespeare.safetensors" in names
    assert "seqdl_serve/page/index.html" in names
    assert {f"{package}/py.typed" for package in ROOTS} <= set(names)
    assert wheel.stat().st_size < 8e6


def test_the_wheel_works_in_an_empty_environment_beside_files_named_like_ours(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    programs = tmp_path / "env" / "bin"
    subprocess.run([programs / "pip", "install", "-q", wheel], check=True, capture_output=True)
    work = tmp_path / "work"
    work.mkdir()
    for name in ("data.py", "cli.py", "vision.py"):
        (work / name).write_text("raise RuntimeError('imported by mistake')\n")
    command = [programs / "seqdl", "generate", "text", "ROMEO:", "-n", "60", "--seed", "1"]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ROMEO:")
    assert len(done.stdout) >= 60
    done = subprocess.run([programs / "seqdl", "serve"], cwd=work, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith('the service needs it: pip install "seqdl[serve]"\n')


def test_the_shipped_model_has_a_name_unless_a_file_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert model_path("shakespeare") == model_path(None)
    monkeypatch.chdir(tmp_path)
    Path("shakespeare").touch()
    assert model_path("shakespeare") == Path("shakespeare")


def test_the_shipped_model_carries_its_card_and_no_folder() -> None:
    card = read_metadata(model_path(None))
    assert card["licence"]
    assert card["source"]
    assert card["training"]["data"]["split"]
    assert card["quantisation"]["after"]["nats_per_symbol"] < 1.5
    assert not any(Path(word).is_absolute() for word in card["training"]["command"].split())
    assert card["training"]["paths"] == ["input.txt"]


def test_the_shipped_model_scores_what_its_card_says(shared_data: Path) -> None:
    held_out = (shared_data / "text/tinyshakespeare/input.txt").read_bytes()[-111_540:]
    card = read_metadata(model_path(None))
    score = CharModel.load().score(held_out)
    assert score.nats_per_symbol == pytest.approx(card["quantisation"]["after"]["nats_per_symbol"], abs=1e-4)
