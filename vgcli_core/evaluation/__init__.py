"""Scores: what a benchmark asks, how answers are read and scored, and the report. Nothing here loads a model."""
