"""`hepad jets`: jets of the particles of events, and the scores of events from those of their jets."""
