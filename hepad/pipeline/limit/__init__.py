"""The verb `limit`: `run` does it; records, output and figures beside it."""
