"""Fits of background and signal functions to spectra."""
