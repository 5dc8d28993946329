"""Handwritten letters and digits: learn them, and read them from a photo."""

from seqdl_vision.certainty import changes, summary
from seqdl_vision.drawing import annotate, steps_into
from seqdl_vision.formats import TEXT_FORMATS, document, headed_text, heading, text
from seqdl_vision.letters import Letters
from seqdl_vision.page.read import ReadOptions, read_page
from seqdl_vision.page.result import Box, Character, Line, Page, Reading, Word
from seqdl_vision.reading import Found, find_pictures, read_pictures
from seqdl_vision.tiles import grey, save_png, sheet, signed
from seqdl_vision.training import LetterSettings, LettersOutcome, resume_letters, train_letters

__all__ = [
    "TEXT_FORMATS",
    "Box",
    "Character",
    "Found",
    "LetterSettings",
    "Letters",
    "LettersOutcome",
    "Line",
    "Page",
    "ReadOptions",
    "Reading",
    "Word",
    "annotate",
    "changes",
    "document",
    "find_pictures",
    "grey",
    "headed_text",
    "heading",
    "read_page",
    "read_pictures",
    "resume_letters",
    "save_png",
    "sheet",
    "signed",
    "steps_into",
    "summary",
    "text",
    "train_letters",
]
