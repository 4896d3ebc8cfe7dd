"""The rules of iptables: made, compared and judged, as text."""
