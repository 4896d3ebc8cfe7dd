"""The registry of a pool's hosts, against the real etcd and against what is none."""

from __future__ import annotations

import json
import os
import signal
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from dnet.errors import (
    ConflictError,
    DnetError,
    NoAnswerError,
    NotFoundError,
    PermissionDeniedError,
    StoreUnreachableError,
    UsageError,
)
from dnet.hosts import fields
from dnet.hosts.record import (
    LEFT,
    NO_CREDENTIALS,
    PEER,
    REMOVED,
    Claim,
    Credentials,
    HostRecord,
    Pool,
    Registry,
    Wanted,
)
from dnet.registry import file, gateway, http
from dnet.registry.door import open_registry
from tests import etcd as labs
from tests import registries
from tests.etcd import PREFIX, Cluster
from tests.lab import Lab
from tests.node import Node

POOL = Pool("10.244.0.0/16", 24, 4242, 4789)
HINT = "this host keeps working"


def claim(number: int, **more: object) -> Claim:
    wanted = Claim(f"h{number}", f"192.0.2.{number}", "vxlan", fields.token(number), Wanted(*POOL))
    return wanted._replace(**more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def node(shared_lab: Lab) -> Iterator[Node]:
    """A network for this module, in which the test itself is as well."""
    node = shared_lab.node()
    with labs.inside(node):
        yield node


@pytest.fixture(scope="module")
def cluster(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with labs.running(node, tmp_path_factory.mktemp("etcd")) as cluster:
        yield cluster


@pytest.fixture
def registry(cluster: Cluster) -> Registry:
    """An empty one."""
    return open_registry(cluster.prefix())


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less time for all, where all of it is waited for."""
    monkeypatch.setattr(gateway, "SECONDS", 0.4)


def unreachable(ask: Callable[[], object]) -> str:
    """What is said where nobody answers in a way that is of use, and that it is said in time."""
    begun = time.monotonic()
    with pytest.raises(StoreUnreachableError) as error:
        ask()
    assert time.monotonic() - begun < gateway.SECONDS + 2
    assert error.value.status == 7
    assert error.value.code == "store-unreachable"
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400
    return str(error.value)


# --- what is registered --------------------------------------------------------------------


def test_hosts_join_leave_and_are_removed(registry: Registry) -> None:
    assert (registry.read().pool, registry.read().hosts) == (None, ())
    first = registry.join(claim(1))
    second = registry.join(claim(2, pool=Wanted(), underlay="2001:db8::2", transport="route"))
    assert [first.block, second.block] == ["10.244.0.0/24", "10.244.1.0/24"]
    assert second == HostRecord(
        "h2", "2001:db8::2", "10.244.1.0/24", "route", fields.token(2), second.revision
    )
    there = registry.read(fresh=True)
    assert (there.pool, there.hosts, there.refused) == (POOL, (first, second), ())
    assert there.revision == second.revision > first.revision
    assert registry.join(claim(1)) == first
    assert registry.leave("h1", fields.token(1))
    assert not registry.leave("h1", fields.token(1))
    registry.remove("h2")
    with pytest.raises(NotFoundError):
        registry.remove("h2")
    freed = registry.read(fresh=True).hosts
    assert [(one.name, one.block, one.state) for one in freed] == [
        ("h1", "10.244.0.0/24", LEFT),
        ("h2", "10.244.1.0/24", REMOVED),
    ]


def test_a_copy_of_a_host_is_refused_until_it_says_that_it_has_moved(registry: Registry) -> None:
    first = registry.join(claim(1))
    with pytest.raises(ConflictError) as error:
        registry.join(claim(1, underlay="192.0.2.9"))
    assert "dnet host join --moved" in str(error.value.hint)
    moved = registry.join(claim(1, underlay="192.0.2.9", moved=True))
    assert (moved.block, moved.underlay) == (first.block, "192.0.2.9")
    assert registry.read(fresh=True).hosts == (moved,)


def test_twenty_that_join_at_once_have_twenty_blocks(cluster: Cluster) -> None:
    url = cluster.prefix()
    with ThreadPoolExecutor(20) as threads:
        joined = [*threads.map(lambda one: open_registry(url).join(claim(one)), range(1, 21))]
    there = open_registry(url).read(fresh=True)
    assert len({one.block for one in joined}) == 20
    assert set(there.hosts) == set(joined)
    assert (there.pool, there.refused) == (POOL, ())


def test_twenty_copies_of_one_claim_have_one_block(cluster: Cluster) -> None:
    url = cluster.prefix()
    with ThreadPoolExecutor(20) as threads:
        joined = {*threads.map(lambda _: open_registry(url).join(claim(1)), range(20))}
    assert {*open_registry(url).read(fresh=True).hosts} == joined
    assert len(joined) == 1


def killed_at(step: int, call: Callable[[], object]) -> bool:
    """Whether a process was killed there: ahead of a question, or behind its answer."""
    child = os.fork()
    if not child:
        steps = count()
        ask = http.ask

        def asked(*arguments: object) -> http.Answer:
            if next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = ask(*arguments)  # type: ignore[arg-type]
            if next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        http.ask = asked  # type: ignore[assignment]
        try:
            call()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_a_host_killed_at_any_step_of_joining_has_one_block_in_the_end(cluster: Cluster) -> None:
    for step in count():
        url = cluster.prefix()
        was_killed = killed_at(step, lambda url=url: open_registry(url).join(claim(1)))  # type: ignore[misc]
        first = open_registry(url).join(claim(1))
        assert open_registry(url).read(fresh=True).hosts == (first,)
        assert first.block == "10.244.0.0/24"
        if not was_killed:
            break
    assert step == 4  # A look and a write, each asked and answered.


@pytest.mark.parametrize("change", ["join", "leave", "remove"])
def test_a_change_whose_answer_is_lost_was_made_once(cluster: Cluster, change: str) -> None:
    url = cluster.prefix()
    if change != "join":
        open_registry(url).join(claim(1))
    lost: list[bytes] = []

    def lose(text: bytes) -> bool:
        if b"/v3/kv/txn" in text and not lost:
            lost.append(text)
            return True
        return False

    with registries.serving(registries.forwarding(cluster.port(), lose)) as port:
        through = open_registry(url.replace(str(cluster.port()), str(port)))
        calls: dict[str, Callable[[], object]] = {
            "join": lambda: through.join(claim(1)),
            "leave": lambda: through.leave("h1", fields.token(1)),
            "remove": lambda: through.remove("h1"),
        }
        done = calls[change]()
    assert len(lost) == 1
    (there,) = open_registry(url).read(fresh=True).hosts
    assert there.state == {"join": PEER, "leave": LEFT, "remove": REMOVED}[change]
    assert done == {"join": there, "leave": True, "remove": None}[change]


def test_changes_are_told_and_those_that_were_forgotten_too(cluster: Cluster) -> None:
    registry = open_registry(cluster.prefix())
    first = registry.join(claim(1))
    told = registry.watch(first.revision)
    second = registry.join(claim(2))
    assert next(told) == second.revision
    registry.remove("h1")
    assert next(told) == registry.read(fresh=True).revision
    cluster.ask("/v3/kv/compaction", {"revision": registry.read(fresh=True).revision})
    again = registry.watch(0)
    assert next(again) == registry.read(fresh=True).revision
    assert registry.join(claim(3)).revision == next(again)


def test_what_others_have_written_is_refused_and_told(cluster: Cluster) -> None:
    registry = open_registry(url := cluster.prefix())
    first = registry.join(claim(1))
    prefix = PREFIX + url.rpartition(PREFIX)[2]
    for key, value in (("hosts/x", b"\xff\x00"), ("blocks/1", b"h1"), ("else", b"")):
        body = {"key": encoded(f"{prefix}/{key}"), "value": b64encode(value).decode()}
        cluster.ask("/v3/kv/put", body)
    there = registry.read(fresh=True)
    assert there.hosts == (first,)
    assert len(there.refused) == 3


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


# --- etcd that does not answer, or refuses -------------------------------------------------


def test_etcd_that_is_dead_is_told_at_once(node: Node, tmp_path: Path) -> None:
    with labs.running(node, tmp_path / "etcd") as cluster:
        registry = open_registry(cluster.url())
        first = registry.join(claim(1))
        told = registry.watch(first.revision)
        registry.leave("h1", fields.token(1))
        assert next(told) > first.revision
        cluster.kill()
        with pytest.raises(NoAnswerError):
            next(told)
        for ask in (registry.read, lambda: registry.join(claim(1)), lambda: registry.remove("h1")):
            assert "connection refused" in unreachable(ask)
        cluster.start()
        assert registry.join(claim(1)).block == "10.244.1.0/24"


def test_of_three_nodes_two_are_enough_and_one_is_enough_to_look(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with labs.running(node, tmp_path / "etcd", 3) as cluster:
        registry = open_registry(cluster.url())
        first = registry.join(claim(1))
        cluster.kill(0)
        # Another leader is elected meanwhile, which takes as long as it takes.
        monkeypatch.setattr(gateway, "SECONDS", 30)
        patient = open_registry(cluster.url())
        second = patient.join(claim(2))
        assert patient.read(fresh=True).hosts == (first, second)
        cluster.kill(1)
        monkeypatch.undo()
        registry = open_registry(cluster.url())
        said = unreachable(lambda: registry.join(claim(3)))
        assert "connection refused" in said
        assert "no leader" in said or "no answer in time" in said
        assert open_registry(cluster.url()).read().hosts == (first, second)
        cluster.start(0)
        assert patient.join(claim(3)).block == "10.244.2.0/24"


def test_etcd_that_is_full_is_told_and_goes_on_telling(node: Node, tmp_path: Path) -> None:
    with labs.running(node, tmp_path / "e", options=("--quota-backend-bytes", "300000")) as cluster:
        registry = open_registry(cluster.url())
        first = registry.join(claim(1))
        while "header" in cluster.ask("/v3/kv/put", {"key": "eA==", "value": "eAeA" * 50_000}):
            pass
        assert "is full" in unreachable(lambda: registry.join(claim(2)))
        assert registry.read(fresh=True).hosts == (first,)


def test_a_user_may_do_what_etcd_lets_it(node: Node, tmp_path: Path) -> None:
    with labs.running(node, tmp_path / "etcd", options=("--bcrypt-cost", "4")) as cluster:
        open_registry(cluster.url()).join(claim(1))
        for user in ("root", "dnet"):
            cluster.ask("/v3/auth/user/add", {"name": user, "password": "s3:cret"})
            cluster.ask("/v3/auth/role/add", {"name": user})
            cluster.ask("/v3/auth/user/grant", {"user": user, "role": user})
        end = encoded(f"{PREFIX}0")
        may = {"permType": "READWRITE", "key": encoded(f"{PREFIX}/"), "range_end": end}
        cluster.ask("/v3/auth/role/grant", {"name": "dnet", "perm": may})
        cluster.ask("/v3/auth/enable", {})
        secret = tmp_path / "user"

        def asked(line: str | None, url: str = cluster.url()) -> Registry:
            secret.touch(0o600)
            secret.write_text(line or "")
            return open_registry(url, Credentials(user=str(secret)) if line else NO_CREDENTIALS)

        right = asked("dnet:s3:cret\n")
        assert [one.name for one in right.read(fresh=True).hosts] == ["h1"]
        assert right.join(claim(2)).block == "10.244.1.0/24"
        told = right.watch(0)
        assert next(told) > 0
        other = cluster.url(prefix="/else")
        for line, url, said in (
            (None, cluster.url(), "user name is empty"),
            ("dnet:s3:wrong", cluster.url(), "authentication failed"),
            ("nobody:s3:cret", cluster.url(), "authentication failed"),
            ("dnet:s3:cret", other, "permission denied"),
        ):
            text = unreachable(lambda: asked(line, url).join(claim(3)))  # noqa: B023
            assert said in text
            assert "s3" not in text


def test_tls_knows_etcd_by_its_name_and_is_known_by_its_certificate(
    node: Node, tmp_path: Path
) -> None:
    made = labs.certificates(tmp_path / "tls", "IP:127.0.0.1")
    others = labs.certificates(tmp_path / "others")
    ca, cert, key = (str(made / one) for one in ("ca.crt", "client.crt", "client.key"))
    options = [f"--{one}={made}/server.{two}" for one, two in (("cert-file", "crt"),)]
    options += [f"--key-file={made}/server.key", f"--trusted-ca-file={ca}", "--client-cert-auth"]
    shown = f"--cert {cert} --key {key}"
    with labs.running(node, tmp_path / "etcd", options=options, tls=shown) as cluster:
        mutual = Credentials(ca, cert, key)
        registry = open_registry(cluster.url(), mutual)
        first = registry.join(claim(1))
        assert registry.read().hosts == (first,)
        assert next(registry.watch(0)) >= first.revision
        wrong = str(others / "ca.crt")
        for where, credentials, said in (
            (cluster.url(host="localhost"), mutual, "certificate is not trusted"),
            (cluster.url(), Credentials(wrong, cert, key), "certificate is not trusted"),
            (cluster.url(), Credentials("", cert, key), "certificate is not trusted"),
            (cluster.url(), Credentials(ca), "TLS failed"),
            (cluster.url().replace("etcds", "etcd"), NO_CREDENTIALS, "does not speak HTTP"),
        ):
            said_in_fact = unreachable(open_registry(where, credentials).read)
            assert said in said_in_fact or "connection reset" in said_in_fact
        # The key is a secret like any other.
        Path(key).chmod(0o640)
        with pytest.raises(PermissionDeniedError):
            open_registry(cluster.url(), mutual)
        Path(key).chmod(0o600)
        for bad in (Credentials(key), Credentials(ca, str(others / "client.crt"), key)):
            unreachable(lambda: open_registry(cluster.url(), bad))  # noqa: B023


# --- what is no etcd -----------------------------------------------------------------------


def answer(**members: object) -> bytes:
    return json.dumps({"header": {"revision": "7"}, **members}).encode()


def key_value(**members: object) -> bytes:
    whole = {"key": encoded(f"{PREFIX}/else"), "value": "eA==", "mod_revision": "5"}
    return answer(kvs=[{**whole, **members}])


WRONG: dict[str, registries.Serve] = {
    "closes": lambda connection: connection.close(),
    "never-answers": registries.silent,
    "trickles": registries.trickling,
    "floods": registries.flooding,
    "endless-head": registries.endless_head,
    "garbage": registries.saying(bytes(range(256)) * 4, whole=True),
    "ssh": registries.saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", whole=True),
    "a-page": registries.saying(b"<html>"),
    "a-redirect": registries.saying(b"HTTP/1.0 302 x\r\nLocation: /\r\n\r\n", whole=True),
    "not-found": registries.saying(b"HTTP/1.1 404 x\r\n\r\n", whole=True),
    "a-fault": registries.saying(b"HTTP/1.1 500 x\r\n\r\n\x1b[31m\n", whole=True),
    "an-escape": registries.saying(b'HTTP/1.0 503 x\r\n\r\n{"error": "\\u001b[31m\\n"}', True),
    "no-status": registries.saying(b"HTTP/1.1\r\n\r\n", whole=True),
    "nothing": registries.saying(b""),
    "cut-short": registries.saying(answer(kvs=[])[:-3]),
    "deep": registries.saying(b"[" * 1_000_000),
    "a-list": registries.saying(b"[]"),
    "no-header": registries.saying(b"{}"),
    "no-number": registries.saying(b'{"header": {"revision": "-7"}}'),
    "a-long-number": registries.saying(b'{"header": {"revision": "%s"}}' % (b"9" * 10_000)),
    "no-list": registries.saying(answer(kvs={})),
    "another-prefix": registries.saying(key_value(key=encoded("/etc/passwd"))),
    "no-key": registries.saying(key_value(key=7)),
    "no-base64": registries.saying(key_value(value="\u20ac")),
    "no-revision": registries.saying(key_value(mod_revision=None)),
    "a-bad-pool": registries.saying(key_value(key=encoded(f"{PREFIX}/pool"))),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.usefixtures("node", "hasty")
def test_what_is_no_etcd_is_told_and_nothing_more_happens(kind: str) -> None:
    with registries.serving(WRONG[kind]) as port:
        registry = open_registry(f"etcd://127.0.0.1:{port}{PREFIX}")
        said = unreachable(registry.read)
        assert f"127.0.0.1:{port}" in said or "etcd's answer" in said or "pool" in said
        unreachable(lambda: registry.join(claim(1)))
        unreachable(lambda: [*registry.watch(0)])


@pytest.mark.usefixtures("node")
def test_all_endpoints_together_have_less_than_three_seconds() -> None:
    with registries.serving(registries.silent) as port:
        ends = ",".join(f"127.0.0.{one}:{port}" for one in (1, 2, 3))
        begun = time.monotonic()
        said = unreachable(open_registry(f"etcd://{ends}{PREFIX}").read)
    assert gateway.SECONDS < 3
    assert time.monotonic() - begun > gateway.SECONDS - 0.5
    assert "127.0.0.1" in said


@pytest.mark.usefixtures("hasty")
def test_all_questions_together_have_that_time(cluster: Cluster) -> None:
    """Of one that answers each of them in time, and late."""
    late = registries.Late(cluster.port(), gateway.SECONDS * 0.6)
    with registries.serving(late) as port:
        through = cluster.prefix().replace(str(cluster.port()), str(port))
        registry = open_registry(through)
        assert registry.read().hosts == ()
        unreachable(registry.read)
        unreachable(lambda: open_registry(through).join(claim(1)))


def test_news_are_told_once(registry: Registry) -> None:
    first = registry.join(claim(1))
    known = registry.read(fresh=True)
    assert registry.news(known.digest) is None
    assert registry.news(known.digest, fresh=True) is None
    assert registry.news("") == known
    registry.join(claim(1, underlay="192.0.2.9", moved=True))
    moved = registry.news(known.digest, fresh=True)
    assert moved is not None
    assert [one.underlay for one in moved.hosts] == ["192.0.2.9"]
    registry.join(claim(1, underlay=first.underlay, moved=True))
    again = registry.news(known.digest, fresh=True)
    assert again is not None
    assert again.digest not in (known.digest, moved.digest)


@pytest.mark.parametrize("kind", ["closes", "never-answers", "garbage", "not-found", "floods"])
def test_the_next_endpoint_is_asked(cluster: Cluster, kind: str) -> None:
    with registries.serving(WRONG[kind]) as port:
        url = cluster.prefix().replace("127.0.0.1", f"127.0.0.1:{port},127.0.0.1", 1)
        registry = open_registry(url)
        first = registry.join(claim(1))
        assert registry.read(fresh=True).hosts == (first,)


@pytest.mark.usefixtures("node", "hasty")
def test_a_name_that_nobody_knows_is_told_in_time() -> None:
    said = unreachable(open_registry(f"etcd://no-such-host.invalid:1{PREFIX}").read)
    assert "its name is not" in said


# --- secrets -------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", ["192.0.2.1:1", "127.0.0.1:1,192.0.2.1:1", "name:1"])
def test_no_password_goes_in_clear_to_another_machine(tmp_path: Path, ends: str) -> None:
    secret = tmp_path / "user"
    secret.touch(0o600)
    secret.write_text("dnet:s3cret")
    with pytest.raises(UsageError, match="unencrypted") as error:
        open_registry(f"etcd://{ends}/x", Credentials(user=str(secret)))
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "credentials"),
    [
        ("etcd://127.0.0.1:1/x", Credentials(ca="/ca")),
        ("etcd://127.0.0.1:1/x", Credentials(cert="/cert", key="/key")),
        ("file:///hosts", Credentials(user="/user")),
    ],
)
def test_who_names_certificates_does_not_get_away_without_tls(
    url: str, credentials: Credentials
) -> None:
    with pytest.raises(UsageError, match="has no effect") as error:
        open_registry(url, credentials)
    assert "etcds://" in str(error.value.hint)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_a_secret_that_others_can_read_is_none(tmp_path: Path, mode: int) -> None:
    secret = tmp_path / "user"
    secret.write_text("dnet:s3cret")
    secret.chmod(mode)
    with pytest.raises(PermissionDeniedError) as error:
        open_registry("etcd://127.0.0.1:1/x", Credentials(user=str(secret)))
    assert "chmod 600" in str(error.value.hint)
    assert "s3cret" not in f"{error.value}{error.value.hint}"


# --- a file --------------------------------------------------------------------------------

LINES = "h1 192.0.2.1 10.244.0.0/24\nh2 192.0.2.2 10.244.1.0/24 route\n"


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    path = tmp_path / "hosts"
    path.write_text(LINES)
    path.chmod(0o644)
    return path


def test_a_file_is_read_and_joined_by_the_line_that_is_there(hosts: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(hosts)
    registry = open_registry(f"file://{link}")
    there = registry.read()
    assert [one.name for one in there.hosts] == ["h1", "h2"]
    assert registry.join(claim(1)) == there.hosts[0]
    for wrong in (claim(1, underlay="192.0.2.9"), claim(2), claim(1, pool=Wanted("10.9.0.0/16"))):
        with pytest.raises(ConflictError):
            registry.join(wrong)
    with pytest.raises(NotFoundError) as error:
        registry.join(claim(3))
    assert "h3 192.0.2.3 BLOCK vxlan" in str(error.value.hint)
    assert not registry.leave("h1", "")
    for refused in (lambda: registry.remove("h1"), lambda: [*registry.watch(0)]):
        with pytest.raises(UsageError):
            refused()
    assert hosts.read_text() == LINES


@pytest.mark.parametrize(
    ("wreck", "error", "said"),
    [
        (lambda path: path.chmod(0o664), PermissionDeniedError, "users other than root"),
        (lambda path: path.chmod(0o646), PermissionDeniedError, "users other than root"),
        (lambda path: os.chown(path, 65534, 0), PermissionDeniedError, "users other than root"),
        (lambda path: path.unlink(), StoreUnreachableError, "No such file"),
        (lambda path: (path.unlink(), path.mkdir()), StoreUnreachableError, "not a regular file"),
        (
            lambda path: [path.unlink(), os.mkfifo(path, 0o600)],  # type: ignore[func-returns-value]
            StoreUnreachableError,
            "not a regular file",
        ),
        (
            lambda path: path.write_text("#" * (file.MOST_BYTES + 1)),
            StoreUnreachableError,
            "longer than",
        ),
    ],
)
def test_a_file_that_others_could_have_written_or_is_none_is_refused(
    hosts: Path, wreck: Callable[[Path], object], error: type[DnetError], said: str
) -> None:
    wreck(hosts)
    with pytest.raises(error, match=said):
        open_registry(f"file://{hosts}").read()
