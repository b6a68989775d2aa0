"""Figures: results in, matplotlib Figure out; nothing here saves a file."""
