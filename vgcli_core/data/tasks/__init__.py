"""Scans and annotations to samples, one task a file. No file is read: real scans and rooms use the same builders."""
