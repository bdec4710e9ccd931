"""Procedural rooms: furnished, filmed and rendered from a seed, with exact truth for everything."""
