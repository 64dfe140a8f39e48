"""Names and calls that only programs written for pyxnat 1.x need."""
