"""Handwritten letters and digits: learn them, and read them from a photo."""
