"""Studies of sensitivity: signals hidden in mock data, and what each method finds of them."""
