"""Tables with a row an event: scores, masses, vectors."""
