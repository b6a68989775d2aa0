"""One file per data-driven method: it needs the data themselves, a mass and a window, so no bundle can hold it."""
