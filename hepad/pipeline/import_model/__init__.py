"""The verb `import-model`: `run` does it; records, output and figures beside it."""
