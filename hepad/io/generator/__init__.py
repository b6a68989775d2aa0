"""Readers of generator files, and what is made of their particles."""
