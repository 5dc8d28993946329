"""Character models: train, write, score."""

from seqdl.gates import Trace
from seqdl.text.batch import TextBatch, Written
from seqdl.text.colour import coloured_html
from seqdl.text.decoding import Piece
from seqdl.text.model import CharModel, new_seed
from seqdl.text.sampling import SamplingOptions
from seqdl.text.scoring import Score
from seqdl.text.training import Outcome, TextSettings, resume_text, train_text
from seqdl.training.loop import Progress, Report
from seqdl.training.plan import Settings

__all__ = [
    "CharModel",
    "Outcome",
    "Piece",
    "Progress",
    "Report",
    "SamplingOptions",
    "Score",
    "Settings",
    "TextBatch",
    "TextSettings",
    "Trace",
    "Written",
    "coloured_html",
    "new_seed",
    "resume_text",
    "train_text",
]
