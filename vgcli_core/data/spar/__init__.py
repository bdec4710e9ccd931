"""SPAR-7M: where its files are, which rows the training mix takes, and how a row becomes a sample."""
