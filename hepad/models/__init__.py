"""One file per scorer; they never import one another."""
