"""Readers of detector-level event files."""
