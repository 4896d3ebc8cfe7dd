"""The changing commands that are killed, refused and interrupted: one of every kind."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests import site as sites
from tests.node import Completed
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
_FOR_SOME = "map add web 8080:80 --from 10.0.0.0/8"
_MAPPED = (*_CALM, "map add a 80:80")
_LIMITED = (*_CALM, "attach web --netns ONE --rate-in 8mbit --rate-out 8mbit")
_ATTACH = "attach new --netns TWO --bridge dnet0 -p 81 -p 8082:82/udp --link db"
_DUAL = (
    f"{_INIT} --address6 fd00:6::1/64",
    "interface allocate db --expose 5432/tcp",
    "attach web --netns ONE",
    "ip request --ipv6",
)
_DUAL_BUSY = (
    *_DUAL,
    "bridge init dnet1 --address 172.18.42.1/16 --ipv6 --chain SECOND",
    "map add web 8080:80 [::1]:8081:80 5000-5009:6000-6009/udp",
    "link add web db",
)
_DUAL_LATE = (*_BUSY, "bridge init dnet0 --address6 fd00:6::1/64", "interface allocate db")
# With --no-icc a change-over leaves br_netfilter in use, so that siblings are kept apart otherwise.
_OPEN = ("bridge init dnet0 --address 172.17.42.1/16", *_BUSY[1:])
_UNPLUG = "ip link delete $(ip -o link show type veth | grep -o 'veth[0-9a-f]*' | head -1)"
_WRECK = (
    "iptables -F; iptables -t nat -F; iptables -t raw -F; ip link delete dnet1;"
    "nft delete table inet dnet 2>/dev/null;"
    "ip route delete 172.17.0.0/16 dev dnet0; echo 0 > /proc/sys/net/ipv4/conf/dnet0/forwarding"
)


_WRECK6 = (
    "ip6tables -F; ip6tables -t nat -F; ip6tables -t raw -F;"
    "nft delete table inet dnet 2>/dev/null; ip link set dnet0 down; ip link set dnet0 up"
)

_JOIN = "host join a --store HOSTS --pool 10.244.0.0/16 --bridge dnet3"
_ALL = "printf 'a 10.55.0.1 10.244.1.0/24\\nb 10.55.0.2 10.244.2.0/24\\n' > $HOME/hosts;"
_POOL = (*_CALM, _JOIN, "interface allocate here --bridge dnet3", "map add here 8089:80")
_OTHERS = f"{_ALL} echo d 10.55.0.4 10.244.4.0/24 >> $HOME/hosts"
_CUT = (
    "iptables -F; iptables -t nat -F; iptables -t raw -F; nft delete table inet dnet 2>/dev/null;"
    "ip route flush proto 68; ip link set dnetvx4242 down;"
    "bridge fdb delete 02:42:0a:f4:02:00 dev dnetvx4242 dst 10.55.0.2 self;"
    "bridge fdb add 02:42:0a:f4:07:00 dev dnetvx4242 dst 10.55.0.7 self permanent"
)


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
    Case("init-apart", "bridge init dnet1 --no-icc"),
    Case("init-elsewhere", "bridge init dnet0 --address 10.5.0.1/24", _EMPTY),
    Case("init-beside", "bridge init dnet0 --address 172.17.0.1/16", _EMPTY),
    Case("init-ipv6", "bridge init dnet0 --address6 fd00:6::1/64"),
    Case("init-no-ipv6", "bridge init dnet0 --no-ipv6", (f"{_INIT} --address6 fd00:6::1/64",)),
    Case("attach-ipv6", _ATTACH, _DUAL),
    Case("detach-ipv6", "detach web", _DUAL),
    Case("remove-ipv6", "bridge remove dnet0 --force", (*_DUAL, "link add web db")),
    Case("map-ipv6", "map add db 9000-9009:80-89/tcp [::]:9010:53/udp", _DUAL_BUSY),
    Case("unmap-ipv6", "map remove --all web", _DUAL_BUSY),
    Case("link-ipv6", "link add db web -p 80/tcp -p 53/udp", _DUAL_BUSY),
    Case("unlink-ipv6", "link remove web db", _DUAL_BUSY),
    Case("attach-again-ipv6", "attach web --netns ONE -p 8080:80 --link db", _DUAL_LATE),
    Case("map-again-ipv6", "map add db 5000-5009:6000-6009/udp", _DUAL_LATE),
    Case("link-host-ipv6", "link add host db", _DUAL_BUSY),
    Case("unlink-host-ipv6", "link remove host db", _DUAL_LATE),
    Case("port-ipv6", "port allocate --bridge dnet0 --count 3", _DUAL_BUSY),
    Case("again-ipv6", "bridge init dnet0 --masquerade6 --no-isolate", _DUAL_BUSY),
    Case("restore-ipv6", "restore", _DUAL_BUSY, shell=_WRECK6, drifted=True, goes_on=True),
    Case("reset-ipv6", "reset --yes", _DUAL_BUSY, goes_on=True),
    Case("attach", _ATTACH),
    Case("attach-first", _ATTACH, _CALM),
    Case("limit", "attach new --netns TWO --bridge dnet0 --rate-in 8mbit --rate-out 8mbit", _CALM),
    Case("limit-again", "attach web --netns ONE --rate-in 9mbit --rate-out none", _LIMITED),
    Case("plug-in", "attach web --netns ONE", shell=_UNPLUG, drifted=True),
    Case("map", "map add web 9000-9009:80-89/tcp 9010:53/udp"),
    Case("map-first", "map add a 80:80", _CALM),
    Case("map-for-some", "map add web 8080:80 --from 10.0.0.0/8 --from fd00::/8", _DUAL_BUSY),
    Case("map-for-any", "map add web 8080:80 --from any", (*_BUSY, _FOR_SOME)),
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
    Case("change-over", "firewall use nftables", (*_OPEN, "firewall use iptables")),
    Case("change-back", "firewall use iptables", (*_OPEN, "firewall use nftables")),
    Case("join", _JOIN, _CALM),
    Case("join-first", _JOIN, ()),
    Case("sync", "host sync", _POOL, shell=_OTHERS),
    Case("leave", "host leave --force", _POOL),
    Case("restore-hosts", "restore", _POOL, shell=_CUT, drifted=True, goes_on=True),
    Case("count", "map stats --start", (*_OPEN, "firewall use nftables")),
    Case("request", "ip request --bridge dnet0 --count 3"),
    Case("port", "port allocate --bridge dnet0 --count 3"),
    Case("restore", "restore", shell=_WRECK, drifted=True, goes_on=True),
    Case("reset", "reset --yes", goes_on=True),
)


class Scene:
    """A site on which the command of a case is tried again and again.

    Attributes:
        files: those of the state folder as the command finds them.
        before: the site as the command finds it.
        after: as it leaves it, if it is let be.
        points: the points it passes then.
        answer: what it prints then.
    """

    def __init__(self, site: Site, case: Case, log: Path) -> None:
        self.site, self.case = site, case
        self._set_up()
        self.files, self._settings = site.files(), site.staying()
        self.before = site.view()
        log.unlink(missing_ok=True)
        done = site.dnet(case.line, {"DNET_POINT_LOG": str(log)})
        assert done.returncode == 0, done
        site.quiet("check")
        self.points = log.read_text().splitlines()
        self.answer = done.stdout
        self.after = site.view()
        self._now: View | None = self.after

    def _set_up(self) -> None:
        for line in self.case.before:
            self.site.ok(line)
        self._drift()

    def _drift(self) -> None:
        if self.case.shell:
            self.site.host.run("sh", "-c", self.case.shell)

    def now(self) -> View:
        """The site as it is now."""
        self._now = now = self.site.view()
        return now

    def trial(self, env: Mapping[str, str] | None = None, options: str = "") -> Completed:
        """The command, on a site as it is to find it."""
        now = self._now or self.now()
        if now != self.before or self.site.files() != self.files:
            self._go_back()
            self.now().has_to_be_one_of(self.before)
        # So that the command passes all the points it passed the first time.
        if not self.files:
            shutil.rmtree(self.site.host.state_dir.parent, ignore_errors=True)
        self._now = None
        return self.site.dnet(f"{options} {self.case.line}", env)

    def _go_back(self) -> None:
        """Take the way back that a killed command is taken: its outcome stands in the journal."""
        folder, outcome = self.site.host.state_dir, self.site.files().get("state.json")
        shutil.rmtree(folder, ignore_errors=True)
        if outcome or self.files:
            folder.mkdir(parents=True)
            for name, text in self.files.items():
                (folder / name).write_text(text)
            if outcome:
                (folder / "journal.json").write_text(outcome)
            self.site.ok("restore")
        self.site.set_back(self._settings)
        self._drift()


class Stage:
    """One site for one case after the other."""

    def __init__(
        self,
        folder: Path,
        variant_folders: Path,
        variant: str,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = folder
        self._lab = (folder, variant_folders, variant, env)
        self._stack = ExitStack()
        self._site: Site | None = None
        self._bare: View | None = None
        self._scene: Scene | None = None

    def scene(self, case: Case) -> Scene:
        """A site made ready for a case, the one of the last test where it is the same case."""
        if self._scene is None or self._scene.case != case:
            self._scene = Scene(self._cleared(), case, self._folder / "points")
        return self._scene

    def _cleared(self) -> Site:
        if self._site is not None:
            self._site.dnet("reset --yes")
            shutil.rmtree(self._site.host.state_dir.parent, ignore_errors=True)
            if self._site.view() == self._bare:
                return self._site
        return self.renewed()

    def renewed(self) -> Site:
        """A new site: after a test that failed, nobody knows what is left of the last one."""
        self.close()
        self._site = self._stack.enter_context(sites.opened(*self._lab))
        self._bare = self._site.view()
        return self._site

    def close(self) -> None:
        """Leave nothing behind."""
        self._stack.close()
        self._site = self._scene = None
