"""Cards: pydantic models of the YAML files in selections/, analyses/ and fits/, and how to find them."""
