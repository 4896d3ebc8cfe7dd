"""From a state to the steps that make it so. Touches nothing."""
