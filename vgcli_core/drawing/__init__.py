"""Boxes and contact sheets drawn on frames."""
