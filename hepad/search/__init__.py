"""A published search, prepared: its channels, backgrounds and expectations, read once."""
