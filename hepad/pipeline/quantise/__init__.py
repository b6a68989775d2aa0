"""The verb `quantise`: `run` does it; records, output and figures beside it."""
