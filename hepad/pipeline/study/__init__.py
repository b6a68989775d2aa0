"""The verb `study`: `run` does it; records, output and figures beside it."""
