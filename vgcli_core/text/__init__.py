"""Prompts as trained, questions in words, and answers read back from text."""
