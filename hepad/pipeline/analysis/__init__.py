"""The verb `analysis`: `run` does it; records, output and figures beside it."""
