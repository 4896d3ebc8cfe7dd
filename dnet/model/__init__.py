"""What dnet keeps: entities, their tables and the state. Touches nothing."""
