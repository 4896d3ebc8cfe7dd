"""What the rules should be and what they are, as values. Touches nothing."""
