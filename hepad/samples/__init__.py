"""Events of files as tables of columns: selected, weighted, scored, held out."""
