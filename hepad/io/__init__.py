"""One file per format, and the writers."""
