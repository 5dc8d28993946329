"""The series' figures beside those of our chapters, executed anew.

    python bench/chapters.py [--site FOLDER] [--built] [--write]

Runs docs/build.py with the real data (some minutes), and takes what the chapters noted; with --site the site is built
there, by default in build/site. --built: it was built just now, by `make docs`. --write puts the table into README and
RESULTS.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from measure import ROOT, machine_line, write_between

sys.path.insert(0, str(ROOT / "docs" / "chapters"))
from figures import table

NAME = "bench/chapters.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, default=ROOT / "build" / "site")
    parser.add_argument("--built", action="store_true")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if not arguments.built:
        subprocess.run([sys.executable, ROOT / "docs" / "build.py", "-o", arguments.site], check=True)
    results = arguments.site.with_name(f"{arguments.site.name}-work") / "docs/chapters/results"
    content = f"{table(results)}\n\n{machine_line()}. Made by `{NAME}`."
    print(content)
    if arguments.write:
        for path in (ROOT / "README.md", ROOT / "bench" / "RESULTS.md"):
            write_between(path, NAME, content)


if __name__ == "__main__":
    main()
