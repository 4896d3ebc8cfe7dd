"""nftables behind the firewall's door: one table of constant text, and elements in its sets."""
