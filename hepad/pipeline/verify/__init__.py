"""Published numbers that cards hold, beside what hepad measures."""
