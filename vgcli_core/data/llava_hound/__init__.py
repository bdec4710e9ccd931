"""LLaVA-Hound: its frame folders, extracted or inside archives, and its rows."""
