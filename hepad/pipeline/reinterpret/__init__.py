"""The verb `reinterpret`: `run` does it; records, output and figures beside it."""
