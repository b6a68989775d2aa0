"""Spectra of masses: files, references, functions by name, signal shapes."""
