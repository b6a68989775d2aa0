"""What scores are worth: efficiencies, regions, comparisons."""
