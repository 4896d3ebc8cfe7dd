"""What touches the machine, one module for each kind of effect."""
