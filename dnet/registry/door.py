"""The registry that a URL names."""

from __future__ import annotations

from dnet.hosts import place
from dnet.hosts.record import NO_CREDENTIALS, Credentials, Registry


def open_registry(url: str, credentials: Credentials = NO_CREDENTIALS) -> Registry:
    """The registry of a URL, of which nothing is asked yet.

    Raises UsageError for what is no URL, and where a password would go in clear;
    StoreUnreachableError and PermissionDeniedError for files of secrets.
    """
    found = place.parse(url)
    if found.scheme == place.FILE:
        from dnet.registry.file import File

        return File(found.path)
    from dnet.registry.etcd import Etcd

    return Etcd(found, credentials)
