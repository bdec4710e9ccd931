"""Readers of the files that owners distribute: each checks what it reads, runs none of it, and bounds what it costs."""
