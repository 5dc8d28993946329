"""Execute every chapter and build the site.

    python docs/build.py [--short] [--only 03,05] [--from FOLDER] [-o build/site]

--short: every setting that has a short value (`epochs = 8  # short: 1`) takes it, and the data are small ones of our
own making: what the tests run. --only: these chapters alone are executed, for whoever writes one. --from: the folder
of real data, by default $SEQDL_TEST_DATA or ../shared/data; see docs/datasets.py.

The sources are copied first, so that nothing a chapter writes lands among them. Warnings, and any error in a
chapter, end the build with exit code 1.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS), *(str(ROOT / part) for part in ("", "data", "vision", "cli"))]
from datasets import gather  # noqa: E402

INCLUDED = ("README.md", "bench/RESULTS.md", "bench/growth.png")  # pages show parts of them
SLOWER = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # some machines choose slower kernels by these
SETTING = re.compile(r"^(\s*\w+ = )(.+?)(\s*#.*?)\bshort: (\S.*)$", re.MULTILINE)


def main() -> int:
    options = _options()
    began = time.perf_counter()
    work = options.output.resolve().with_name(f"{options.output.name}-work{'-short' * options.short}")
    sources = work / "docs"
    _copy_sources(options.docs, sources)
    if options.short:
        for chapter in sources.glob("chapters/*.md"):
            chapter.write_text(shortened(chapter.read_text()))
    for line in gather(sources / "chapters/data", None if options.short else options.real):
        print(line)
    # Before chapters run side by side: two processes must not fill one cold cache of kernels.
    subprocess.run([sys.executable, "-m", "seqdl_cli.main", "warmup"], env=_environment(options, work), check=True)
    code = _sphinx(sources, options)
    if code == 0:
        print(f"{options.output}/index.html: built in {time.perf_counter() - began:.0f} s")
    return code


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    real = Path(os.environ.get("SEQDL_TEST_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--from", dest="real", type=Path, default=real)
    parser.add_argument("--docs", type=Path, default=DOCS, help=argparse.SUPPRESS)  # other sources, for the tests
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "site")
    return parser.parse_args()


def shortened(text: str) -> str:
    """A chapter with the short values of its settings."""
    return SETTING.sub(lambda found: f"{found[1]}{found[4]}", text)


def _copy_sources(docs: Path, sources: Path) -> None:
    """A fresh copy; the datasets of an earlier build stay."""
    data = sources / "chapters/data"
    kept = data.rename(sources.with_name("data")) if data.is_dir() else None
    shutil.rmtree(sources, ignore_errors=True)
    shutil.copytree(docs, sources, ignore=shutil.ignore_patterns("__pycache__", "data", "results"))
    if kept:
        kept.rename(data)
    for name in INCLUDED:  # where the sources look for them
        target = sources.parent / name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, target)


def _sphinx(sources: Path, options: argparse.Namespace) -> int:
    """Run it; the site appears whole, or the last one stays."""
    work = sources.parent
    for made in ("site", "trees", "jupyter_execute"):
        shutil.rmtree(work / made, ignore_errors=True)
    strict = [] if options.only else ["-W", "--keep-going"]
    strict += ["-j", "auto"] if options.short else []  # else one after the other, each with all cores to itself
    command = [sys.executable, "-m", "sphinx", "-q", "-T", "-b", "html", *strict, "-d", str(work / "trees")]
    code = subprocess.run(
        [*command, str(sources), str(work / "site")], env=_environment(options, work), check=False
    ).returncode
    if code == 0:
        shutil.rmtree(options.output, ignore_errors=True)
        (work / "site").rename(options.output)
    return code


def _environment(options: argparse.Namespace, work: Path) -> dict[str, str]:
    """Of Sphinx and of the chapters: our packages, and OpenBLAS' own choice of kernels, as every bench has it."""
    paths = [str(ROOT / part) for part in ("", "data", "vision", "cli")]
    kept = {name: value for name, value in os.environ.items() if name not in SLOWER}
    return kept | {
        "PYTHONPATH": os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]),
        "SEQDL_ROOT": str(ROOT),
        "SEQDL_CHAPTERS": options.only,
        "IPYTHONDIR": str(_quiet_kernels(work)),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else the kernel's debugger warns of frozen modules
    }


def _quiet_kernels(work: Path) -> Path:
    """A folder of IPython's settings for the chapters alone: those of whoever builds must not change what comes out."""
    profile = work / "ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text("c.IPKernelApp.log_level = 40\n")
    return profile.parent


if __name__ == "__main__":
    sys.exit(main())
