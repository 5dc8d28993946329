"""Handwritten letters and digits: learn them, and read them from a photo."""

from seqdl_vision.augment import Augmentation
from seqdl_vision.certainty import changes, summary
from seqdl_vision.charts import confusion_chart, reliability_chart
from seqdl_vision.drawing import annotate, steps_into
from seqdl_vision.evaluation import Figures, Judged, confusion, corrupted, figures, judge
from seqdl_vision.formats import TEXT_FORMATS, document, headed_text, heading, text
from seqdl_vision.inspection import Seen, first_kernels, look, maps_sheet
from seqdl_vision.letters import Letters
from seqdl_vision.mistakes import mistakes_sheet
from seqdl_vision.network import NETWORKS, pictures
from seqdl_vision.page.read import ReadOptions, read_page
from seqdl_vision.page.result import Box, Character, Line, Page, Reading, Word
from seqdl_vision.reading import Found, find_pictures, read_pictures
from seqdl_vision.score import Score, score
from seqdl_vision.tiles import grey, save_png, sheet, signed
from seqdl_vision.training import LetterSettings, LettersOutcome, resume_letters, train_letters

__all__ = [
    "NETWORKS",
    "TEXT_FORMATS",
    "Augmentation",
    "Box",
    "Character",
    "Figures",
    "Found",
    "Judged",
    "LetterSettings",
    "Letters",
    "LettersOutcome",
    "Line",
    "Page",
    "ReadOptions",
    "Reading",
    "Score",
    "Seen",
    "Word",
    "annotate",
    "changes",
    "confusion",
    "confusion_chart",
    "corrupted",
    "document",
    "figures",
    "find_pictures",
    "first_kernels",
    "grey",
    "headed_text",
    "heading",
    "judge",
    "look",
    "maps_sheet",
    "mistakes_sheet",
    "pictures",
    "read_page",
    "read_pictures",
    "reliability_chart",
    "resume_letters",
    "save_png",
    "score",
    "sheet",
    "signed",
    "steps_into",
    "summary",
    "text",
    "train_letters",
]
