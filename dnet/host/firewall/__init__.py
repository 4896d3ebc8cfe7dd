"""Reads and changes the machine's firewall, and looks at those of others."""
