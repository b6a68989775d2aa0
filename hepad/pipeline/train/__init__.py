"""The verb `train`: `run` does it; records, output and figures beside it."""
