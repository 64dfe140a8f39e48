"""Applications built on the public methods of an Interface."""
