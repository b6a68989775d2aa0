"""The verb `fit`: `run` does it; records, output and figures beside it."""
