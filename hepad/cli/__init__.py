"""The command line: one file per command; parses options, calls one pipeline function, prints."""
