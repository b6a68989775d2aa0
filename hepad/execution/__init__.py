"""Jobs over events: cut into units of file and entries, done by an executor, kept, and merged in their order.

A job says what is made of a chunk of events (`job.py`); units are ranges of entries of one file (`units.py`) whose
results are parts that join (`parts.py`). An executor (`serial.py`, `processes.py`, `dask_cluster.py`) does units in any
order on any number of workers; `run.py` hands the parts out in the order of the inputs, so that what is made of them
does not depend on who did them, and keeps them in a folder (`store.py`) until the output is complete.
"""
