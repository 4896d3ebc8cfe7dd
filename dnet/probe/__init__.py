"""What became of a packet: from what was tried and seen to one reason. Pure."""
