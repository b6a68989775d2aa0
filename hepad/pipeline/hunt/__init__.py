"""The verb `hunt`: `run` does it; options, report and what is read of the events beside it."""
