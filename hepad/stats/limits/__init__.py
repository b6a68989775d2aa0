"""Limits, discoveries, likelihoods."""
