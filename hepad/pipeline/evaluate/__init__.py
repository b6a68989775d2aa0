"""The verb `evaluate`: `run` does it; records, output and figures beside it."""
