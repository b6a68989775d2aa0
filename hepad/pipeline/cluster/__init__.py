"""`hepad cluster`: what kinds of events a trigger has kept, and which of them simulation does not expect."""
