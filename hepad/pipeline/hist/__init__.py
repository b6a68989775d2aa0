"""The verb `hist`: `run` does it; records, output and figures beside it."""
