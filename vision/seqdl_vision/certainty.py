"""What of a page a reader should look at again, in a line each."""

from __future__ import annotations

from seqdl_vision.page.result import Character, Page

SHOWN = 5  # characters named in the line
CHOICES = 2  # alternatives of each
LONGEST = 20  # letters of the word they stand in


def unsure(page: Page, below: float) -> list[tuple[str, Character]]:
    """The characters less sure than `below`, each with the word it stands in."""
    return [
        (word.text, character)
        for line in page.lines
        for word in line.words
        for character in word.characters
        if character.confidence < below
    ]


def summary(page: Page, below: float) -> str:
    """Such as "1 of 40 characters is not sure (below 0.5): e 0.41 or c 0.38 in 'hello'"; "" where all are sure."""
    doubtful = unsure(page, below)
    if not doubtful:
        return ""
    named = [f"{_choices(character)} in {_short(word)!r}" for word, character in doubtful[:SHOWN]]
    more = [f"{len(doubtful) - SHOWN} more"] if len(doubtful) > SHOWN else []
    total, verb = len(page.characters), "is" if len(doubtful) == 1 else "are"
    return f"{len(doubtful)} of {total} characters {verb} not sure (below {below:g}): {', '.join(named + more)}"


def changes(page: Page) -> str:
    """What a prior changed, such as "the prior reads 'the' for 'tne'"; "" for nothing."""
    both = [(word.text, word.before) for line in page.lines for word in line.words if word.before is not None]
    named = [f"{_short(after)!r} for {_short(before)!r}" for after, before in both]
    return f"the prior reads {', '.join(named)}" if named else ""


def _choices(character: Character) -> str:
    best = character.alternatives[:CHOICES] or ((character.text, character.confidence),)
    return " or ".join(f"{text} {probability:.2f}" for text, probability in best)


def _short(word: str) -> str:
    return word if len(word) <= LONGEST else f"{word[: LONGEST - 3]}..."
