"""Execute every chapter and build the site.

    python docs/build.py [--short] [--only 03,05] [--from FOLDER] [-o build/site]

--short: every setting that has a short value (`epochs = 8  # short: 1`) takes it, and the data are small ones of our
own making: what the tests run. --only: these chapters alone are executed, for whoever writes one. --from: the folder
of real data, by default $SEQDL_TEST_DATA or ../shared/data; see docs/datasets.py.

The sources are copied first, so that nothing a chapter writes lands among them. Warnings, and any error in a
chapter, end the build with exit code 1, and the last site stays.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS), *(str(ROOT / part) for part in ("", "data", "vision", "cli"))]
import workplace  # noqa: E402
from seqdl_data.errors import SeqdlError  # noqa: E402

NEEDED = ("numpy", "numba", "sphinx", "myst_nb", "furo", "matplotlib", "ipykernel")
INCLUDED = ("README.md", "bench/RESULTS.md", "bench/growth.png")  # pages show parts of them
# What of whoever builds must not change the site: some machines choose slower kernels by the first two; pictures
# would not be shown; others' code would run in the chapters; colours would be printed.
LEFT_OUT = (
    *("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MPLBACKEND", "PYTHONSTARTUP", "PYTHONWARNINGS", "JUPYTER_PATH"),
    *("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"),
)
SETTING = re.compile(r"^(\s*\w+ = )(.+?)(\s*#.*?)\bshort: (\S.*)$", re.MULTILINE)


def main() -> int:
    options = _options()
    work = options.output.with_name(f"{options.output.name}-work{'-short' * options.short}")
    try:
        with workplace.held(work, options.output):
            return _build(options, work)
    except SeqdlError as error:
        return _failed(str(error), error.exit_code)
    except OSError as error:
        return _failed(f"cannot write: {error}", 5)
    except KeyboardInterrupt:
        return _failed("interrupted; the last site stays", 130)


def _build(options: argparse.Namespace, work: Path) -> int:
    from datasets import gather

    began = time.perf_counter()
    sources = work / "docs"
    os.chdir(work)  # Python's -m finds modules where it runs, and who knows what lies there
    _copy_sources(options.docs, sources)
    if options.short:
        for chapter in sources.glob("chapters/*.md"):
            chapter.write_text(shortened(chapter.read_text("utf-8")), "utf-8")
    for line in gather(sources / "chapters/data", None if options.short else options.real):
        print(line, flush=True)
    # Before chapters run side by side: two processes must not fill one cold cache of kernels.
    warm = [sys.executable, "-m", "seqdl_cli.main", "warmup"]
    code = workplace.run(warm, _environment(options, work)) or _sphinx(sources, options)
    if code:
        return _failed("a page or chapter is faulty, see above; the last site stays", 1)
    print(f"{options.output}/index.html: built in {time.perf_counter() - began:.0f} s")
    return 0


def _failed(message: str, code: int) -> int:
    print(f"docs/build.py: error: {message}", file=sys.stderr)
    return code


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    real = Path(os.environ.get("SEQDL_TEST_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--from", dest="real", type=Path, default=real)
    parser.add_argument("--docs", type=Path, default=DOCS, help=argparse.SUPPRESS)  # other sources, for the tests
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "site")
    options = parser.parse_args()
    options.output, options.docs, options.real = (
        path.resolve() for path in (options.output, options.docs, options.real)
    )
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        parser.error(f"missing here: {', '.join(missing)}; install them: pip install -e '.[docs]'")
    chapters = sorted(path.stem for path in options.docs.glob("chapters/[0-9]*.md"))
    if unknown := [each for each in _asked(options) if not any(name.startswith(each) for name in chapters)]:
        parser.error(f"--only {','.join(unknown)}: no such chapter; there are {', '.join(chapters)}")
    return options


def _asked(options: argparse.Namespace) -> Sequence[str]:
    """The beginnings of names that --only gives."""
    return [each.strip() for each in options.only.split(",") if each.strip()]


def shortened(text: str) -> str:
    """A chapter with the short values of its settings."""
    return SETTING.sub(lambda found: f"{found[1]}{found[4]}", text)


def _copy_sources(docs: Path, sources: Path) -> None:
    """A fresh copy; the datasets of an earlier build stay."""
    shutil.rmtree(sources, ignore_errors=True)
    shutil.copytree(docs, sources, ignore=shutil.ignore_patterns("__pycache__", "data", "results"))
    data = sources.with_name("data")
    data.mkdir(exist_ok=True)
    (sources / "chapters/data").symlink_to(data)
    for name in INCLUDED:  # where the sources look for them
        target = sources.parent / name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, target)


def _sphinx(sources: Path, options: argparse.Namespace) -> int:
    """Run it; where it succeeds the site is replaced."""
    work = sources.parent
    for made in ("site", "trees", "jupyter_execute"):
        shutil.rmtree(work / made, ignore_errors=True)
    parallel = ["-j", "auto"] if options.short else []  # else one after the other, each with all cores to itself
    strict = ["-W", "--keep-going", *parallel, "-d", str(work / "trees")]
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", *strict, str(sources), str(work / "site")]
    code = workplace.run(command, _environment(options, work))
    if code == 0:
        workplace.replace(options.output, work / "site")
    return code


def _environment(options: argparse.Namespace, work: Path) -> dict[str, str]:
    """Of Sphinx and of the chapters: our packages first, and nothing that would make another site here than there."""
    paths = [str(ROOT / part) for part in ("", "data", "vision", "cli")]
    kept = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    return kept | {
        "PYTHONPATH": os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])]),
        "SEQDL_ROOT": str(ROOT),
        "SEQDL_CHAPTERS": ",".join(_asked(options)),
        "IPYTHONDIR": str(_quiet_kernels(work)),
        "JUPYTER_DATA_DIR": str(work / "jupyter"),  # a user's kernel "python3" may be another Python
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else the kernel's debugger warns of frozen modules
    }


def _quiet_kernels(work: Path) -> Path:
    """A folder of IPython's settings for the chapters alone: those of whoever builds must not change what comes out."""
    profile = work / "ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    settings = "c.IPKernelApp.log_level = 40\nc.InteractiveShell.colors = 'nocolor'\n"
    (profile / "ipython_kernel_config.py").write_text(settings)
    return profile.parent


if __name__ == "__main__":
    sys.exit(main())
