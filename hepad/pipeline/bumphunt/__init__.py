"""The verb `bumphunt`: `run` does it; records, output and figures beside it."""
