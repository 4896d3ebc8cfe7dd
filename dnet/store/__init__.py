"""Touches the state folder, and nothing else."""
