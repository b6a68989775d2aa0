"""`hepad explain`: which objects, or which pixels, carry the score."""
