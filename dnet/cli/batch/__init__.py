"""Many commands: how their lines are read, and how far they are."""
