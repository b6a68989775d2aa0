"""Statistics with numpy, scipy and pyhf; no torch."""
