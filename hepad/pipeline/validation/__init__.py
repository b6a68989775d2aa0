"""How far a search can be trusted: what is published beside what hepad finds, measured now, on one page."""
