"""One file per input kind: Events in, Batch out."""
