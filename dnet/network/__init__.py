"""The parts of Docker's network driver: operations on a state. Touches nothing."""
