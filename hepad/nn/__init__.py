"""Building blocks, spiking neurons and the training loop; knows no model by name."""
