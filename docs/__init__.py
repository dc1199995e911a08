"""Documentation, and the programs that render parts of it."""
