"""One file per verb: the Python API that notebooks and the command line call."""
