"""`seqdl explain site` on the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GENES = Path(__file__).parents[1] / "samples" / "genes.fa"


def test_picture_is_written_though_the_reader_of_the_text_is_gone(tmp_path: Path) -> None:
    picture = tmp_path / "why.svg"
    command = [sys.executable, "-m", "seqdl_cli.main", "explain", "site", str(GENES), "made1:494", "-o", str(picture)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=120) == 0
    assert picture.read_text().lstrip().startswith("<")
