"""`hepad rates`: rates of anomaly triggers on zero bias, beside a menu, and what they add for signals."""
