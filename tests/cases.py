"""The changing commands that are killed, refused and interrupted: one of every kind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests import site as sites
from tests.site import Site, View

_INIT = "bridge init dnet0 --address 172.17.42.1/16 --no-icc"
_EMPTY = (_INIT,)
_CALM = (_INIT, "interface allocate a", "interface allocate db --expose 5432/tcp")
_BUSY = (
    *_CALM,
    "bridge init dnet1 --address 172.18.42.1/16 --chain SECOND",
    "interface allocate far --bridge dnet1",
    "attach web --netns ONE --bridge dnet0 -p 8080:80 --link db",
    "map add db 5000-5009:6000-6009/udp",
    "map add far 127.0.0.1:8090:80",
    "link add host db",
    "ip request --ip 172.17.9.9",
    "port allocate --bridge dnet0 --port 7000",
)
_MAPPED = (*_CALM, "map add a 80:80")
_ATTACH = "attach new --netns TWO --bridge dnet0 -p 81 -p 8082:82/udp --link db"
_UNPLUG = "ip link delete $(ip -o link show type veth | grep -o 'veth[0-9a-f]*' | head -1)"
_WRECK = "iptables -F; iptables -t nat -F; iptables -t raw -F; ip link delete dnet1"


class Case(NamedTuple):
    """A command line, and where it is given: the commands that lead there, and a shell's.

    `drifted` is a place where the kernel does not agree with the store. What `goes_on` is not
    undone where it fails, but taken further by the next command.
    """

    name: str
    line: str
    before: tuple[str, ...] = _BUSY
    shell: str = ""
    drifted: bool = False
    goes_on: bool = False

    def __str__(self) -> str:
        return self.name


CASES = (
    Case("cold-init", _INIT, ()),
    Case("init", "bridge init dnet2 --address 10.5.0.1/24 --chain THIRD"),
    Case("init-again", "bridge init dnet0 --icc --no-masquerade --no-isolate"),
    Case("init-elsewhere", "bridge init dnet0 --address 10.5.0.1/24", _EMPTY),
    Case("attach", _ATTACH),
    Case("attach-first", _ATTACH, _CALM),
    Case("plug-in", "attach web --netns ONE", shell=_UNPLUG, drifted=True),
    Case("map", "map add web 9000-9009:80-89/tcp 9010:53/udp"),
    Case("map-first", "map add a 80:80", _CALM),
    Case("unmap", "map remove --all db"),
    Case("unmap-last", "map remove 80", _MAPPED),
    Case("link", "link add db web -p 80/tcp -p 53/udp"),
    Case("link-host", "link add host db", _CALM),
    Case("unlink", "link remove web db"),
    Case("unlink-host", "link remove host:db"),
    Case("detach", "detach web"),
    Case("release", "interface release db"),
    Case("remove", "bridge remove dnet0 --force"),
    Case("remove-last", "bridge remove dnet0 --force", _MAPPED),
    Case("request", "ip request --bridge dnet0 --count 3"),
    Case("port", "port allocate --bridge dnet0 --count 3"),
    Case("restore", "restore", shell=_WRECK, drifted=True, goes_on=True),
    Case("reset", "reset --yes", goes_on=True),
)


class Range:
    """Makes the sites of a case, and knows what its command makes of one that is let be."""

    def __init__(self, folder: Path, variant_folders: Path, variant: str) -> None:
        self._folder, self._variant_folders, self._variant = folder, variant_folders, variant
        self._stores: dict[tuple[str, ...], Any] = {}
        self._outcomes: dict[Case, tuple[View, View, list[str]]] = {}

    @contextmanager
    def site(self, case: Case) -> Iterator[Site]:
        """A site where the command of a case can be given."""
        with sites.opened(self._folder, self._variant_folders, self._variant) as site:
            site.take_over(self._store(case.before))
            if case.shell:
                site.host.run("sh", "-c", case.shell)
            yield site

    def _store(self, lines: tuple[str, ...]) -> Any:
        if lines and lines not in self._stores:
            with sites.opened(self._folder, self._variant_folders, self._variant) as site:
                site.build(lines)
                self._stores[lines] = site.store()
        return self._stores.get(lines)

    def outcomes(self, case: Case) -> tuple[View, View, list[str]]:
        """A site as the command finds it, as it leaves it, and the points it passes."""
        if case not in self._outcomes:
            self._outcomes[case] = self._try_out(case)
        return self._outcomes[case]

    def _try_out(self, case: Case) -> tuple[View, View, list[str]]:
        log = self._folder / f"points of {case}"
        with self.site(case) as site:
            before = site.view()
            log.unlink(missing_ok=True)
            done = site.passes_points(site.words_of(case.line), {"DNET_POINT_LOG": str(log)})
            assert done.returncode == 0, done
            site.host.quiet("check")
            return before, site.view(), log.read_text().splitlines()


class Sites:
    """A site at a time, made anew only where the last one is not as it was."""

    def __init__(self, ground: Range, case: Case, before: View) -> None:
        self._ground, self._case, self._before = ground, case, before
        self._stack = ExitStack()
        self._site: Site | None = None

    def __enter__(self) -> Sites:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def one(self) -> Site:
        """A site as the command is to find it."""
        if self._site is None or self._site.view() != self._before:
            self._stack.close()
            self._site = self._stack.enter_context(self._ground.site(self._case))
            assert self._site.view().is_one_of(self._before)
        if self._before.store is None:
            # So that the command passes all the points it passed the first time.
            shutil.rmtree(self._site.host.state_dir.parent, ignore_errors=True)
        return self._site
