"""The verb `latency`: `run` does it; records, output and figures beside it."""
