"""Datasets as Parquet: readers, builders, iteration. Imports nothing heavy until a function needs it."""
