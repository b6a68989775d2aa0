"""Counts: Poisson probabilities, toys, uncertain means."""
