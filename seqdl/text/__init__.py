"""Character models: train, write, score."""

from seqdl.text.model import CharModel, Piece
from seqdl.text.sampling import SamplingOptions
from seqdl.text.scoring import Score
from seqdl.text.training import Outcome, TextSettings, resume_text, train_text

__all__ = ["CharModel", "Outcome", "Piece", "SamplingOptions", "Score", "TextSettings", "resume_text", "train_text"]
