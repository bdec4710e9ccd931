"""Metrics as pure functions of numbers and text: no torch, no files, no model."""
