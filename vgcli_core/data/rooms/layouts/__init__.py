"""Rooms in the raw layouts of the real datasets, so that their readers can be tried against known truth."""
