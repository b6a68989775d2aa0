"""Trees of ROOT files, opened without building what nobody reads."""
