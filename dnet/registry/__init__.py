"""Reads, and changes, where the hosts of a pool are registered: a file, or etcd. Nothing else."""
