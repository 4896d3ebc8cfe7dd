"""Tracked connections: listed and ended."""
