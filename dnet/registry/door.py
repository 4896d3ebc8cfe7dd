"""The registry that a URL names."""

from __future__ import annotations

from dnet.errors import UsageError
from dnet.hosts import place
from dnet.hosts.place import Place
from dnet.hosts.record import NO_CREDENTIALS, Credentials, Registry


def open_registry(url: str, credentials: Credentials = NO_CREDENTIALS) -> Registry:
    """The registry of a URL, of which nothing is asked yet.

    Raises UsageError for what is no URL, where a password would go in clear, and for secrets that
    are of no use there;
    StoreUnreachableError and PermissionDeniedError for files of secrets.
    """
    found = place.parse(url)
    _refuse_what_is_of_no_use(found, credentials)
    if found.scheme == place.FILE:
        from dnet.registry.file import File

        return File(found.path)
    from dnet.registry.etcd import Etcd

    return Etcd(found, credentials)


def _refuse_what_is_of_no_use(found: Place, credentials: Credentials) -> None:
    """Whoever names certificates takes it that nobody else can listen."""
    of_tls = credentials._replace(user="") if found.scheme == place.ETCD else credentials
    named = next(filter(None, of_tls), None)
    if named and found.scheme != place.ETCDS:
        raise UsageError(
            f"{named} has no effect with {found}", "leave it out, or use etcds://, which is TLS"
        )
