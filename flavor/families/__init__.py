"""One file per pipeline family; families never import each other."""
