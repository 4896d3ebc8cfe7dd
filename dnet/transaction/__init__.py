"""Where what should be and what is meet: the only room that uses store and host."""
