"""Character models: train, write, score."""

from seqdl.text.model import CharModel, Piece, new_seed
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
    "TextSettings",
    "new_seed",
    "resume_text",
    "train_text",
]
