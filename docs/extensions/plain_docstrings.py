"""Docstrings of the house are plain text; this lets autodoc show them as they are meant.

A paragraph stays a paragraph, and `x` is code. What is indented, a table whose columns stand apart, or lines of code
are literal. No other sign is markup: it is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

CODE_LINE = re.compile(r"(from \S+ )?import \w|>>> ")
COLUMNS = re.compile(r"\S {3,}\S")
NEEDS = re.compile(r", needs: tuple\[bool, \.\.\.\]( = \(\))?")  # which the decorator fills in
PRIVATE = re.compile(r", _\w+: [^,=]+ = \w+")
LIST_SIGN = re.compile(r"[^\w\s(\"'`]|\w{1,3}[.)] |\(\w{1,3}\) ")  # what reST would take for the start of a list


def as_rest(lines: list[str]) -> list[str]:
    """The lines of a docstring, without the indentation it has in its file, as reST."""
    return [line for block in _blocks(lines) for line in [*_shown(block), ""]]


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Runs of lines without a blank one, apart where the indentation begins or ends."""
    for (blank, _), run in groupby(lines, lambda line: (not line.strip(), line.startswith(" "))):
        if not blank:
            yield list(run)


def _shown(block: list[str]) -> list[str]:
    code = CODE_LINE.match(block[0].strip())
    if code or block[0].startswith(" ") or sum(map(bool, map(COLUMNS.search, block))) > 1:
        return [f".. code-block:: {'python' if code else 'text'}", "", *(f"    {line}" for line in block)]
    words = " ".join(line.strip() for line in block)
    start = "\\" if LIST_SIGN.match(words) else ""
    return [start + "".join(_spans(words, bool(start)))]


def _spans(words: str, escaped: bool) -> Iterator[str]:
    """`x` as a literal, the rest with every sign of reST escaped; the first one is already if `escaped`."""
    for number, span in enumerate(re.split(r"`([^`]+)`", words)):
        if number % 2:
            yield f"``{span.strip()}``\\ "
        else:
            signs = re.sub(r"([\\*_|`:])", r"\\\1", span)
            yield signs[1:] if escaped and number == 0 and signs.startswith("\\") else signs


def _process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    operation = _operation(name)
    lines[:] = [*([f"``{operation.shapes}``", ""] if operation else []), *as_rest(lines)]


def _signature(app: Any, what: str, name: str, obj: Any, options: Any, arguments: str | None, gives: str | None) -> Any:
    """An operation takes tensors, though it is written on arrays; what is private or made anew is not shown."""
    if arguments is None:
        return None
    if _operation(name):
        arguments = NEEDS.sub("", arguments.replace("numpy.ndarray", "Tensor"))
    return PRIVATE.sub("", arguments).replace("<factory>", "..."), gives


def _operation(name: str) -> Any:
    """The entry of the table of operations that a public name such as seqdl.ops.add has; None for any other."""
    from seqdl.ops import OPERATIONS

    module, _, function = name.rpartition(".")
    return OPERATIONS.get(function) if module == "seqdl.ops" else None


def _skip(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """True for what Python itself documents: the fields of named tuples."""
    return True if str(getattr(obj, "__doc__", "")).startswith("Alias for field number") else None


def setup(app: Any) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _process)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True}
