"""Looks at the machine, or acts on it: the kernel, its files and programs."""
