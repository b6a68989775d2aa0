"""Latency budgets, quantised networks and logic: what it takes to run a scorer in a trigger."""
