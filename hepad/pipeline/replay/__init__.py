"""The verb `replay`: `run` does it; records, output and figures beside it."""
