"""The verb `export`: `run` does it; records, output and figures beside it."""
