"""Trained models on disk: what a bundle holds, how it is written, read and found."""
