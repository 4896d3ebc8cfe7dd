"""What was perhaps meant: every near miss is in the hint, and so is what to do otherwise."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnet.cli.main import main
from dnet.network import interface, link, portallocator, portmapper
from dnet.store import document
from dnet.values import nearby
from dnet.values.endpoint import parse_endpoint
from tests.unit.facts import FACTS, specs, with_bridge


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a few things in it."""
    state = with_bridge()
    for name in ("web", "db", "cache"):
        interface.allocate(state, FACTS, interface_id=name, expose=["80/tcp"])
    portmapper.add(state, FACTS, target="web", specs=specs("8080:80", "7000-7009:7000-7009/udp"))
    portallocator.allocate(state, FACTS, ports=(9000, 9000), owner="db")
    link.add(state, FACTS, parent="web", child="db")
    path = tmp_path_factory.mktemp("state")
    (path / "state.json").write_bytes(document.write(state))
    return path


@pytest.fixture(autouse=True)
def _the_store_is_that_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DNET_STATE_DIR", str(folder))


@pytest.fixture(autouse=True)
def _garbage_is_looked_for_again() -> Iterator[None]:
    yield
    gc.enable()


NEAR = {
    "brige init": "did you mean bridge? If not: dnet --help",
    "bridge inti": "did you mean init? If not: dnet bridge --help",
    "ls": "did you mean show or check? If not: dnet --help",
    "map ls": "did you mean list? If not: dnet map --help",
    "bridge del br0": "did you mean remove? If not: dnet bridge --help",
    "ip free 172.17.0.2": "did you mean release? If not: dnet ip --help",
    "--quiet map list": "put it after the command: dnet … --quiet",
    "map -q list": "put it after the command: dnet map … -q",
    "bridge list --jsn": "did you mean --json? If not: dnet bridge list --help",
    "bridge init --chian X": "did you mean --chain? If not: dnet bridge init --help",
    "bridge list --hlep": "did you mean --help? If not: dnet bridge list --help",
    "reset --force": "did you mean --yes? If not: dnet reset --help",
    "detach --force web": "dnet detach --help",
    "gc web": "did you mean --owner web? If not: dnet gc --help",
    "ip request 172.17.0.9": "did you mean --ip 172.17.0.9? If not: dnet ip request --help",
    "ip list dnet0": "that is a bridge: dnet bridge show dnet0",
    "ip list web dnet0": "did you mean --bridge dnet0? If not: dnet ip list --help",
    "ip list 172.17.0.5": "dnet ip list",
    "ip list web --available": "dnet ip list --available",
    "port list 8081": "did you mean 0.0.0.0:8080/tcp? If not: dnet port list",
    "port list 9000/udp": "did you mean 0.0.0.0:9000/tcp? If not: dnet port list",
    "port list wbe": "did you mean web? If not: dnet interface list",
    "port list 0:80": "dnet port list",
    "show wbe": "did you mean web? If not: dnet interface list",
    "show web db": "dnet show --help",
    "show 8080": "if that is a port of the host: dnet port list 8080",
    "detach 8080": "if that is a port of the host: dnet port list 8080",
    "interface show dnet0": "that is a bridge: dnet bridge show dnet0",
    "detach 172.17.0.2": "an id has a letter in it; to see whose an address is: dnet ip list",
    "map add localhost 80": "that is the host itself, and no container: dnet interface list",
    "link web db": "did you mean dnet link add web db? If not: dnet link --help",
    "link web db -p 80 --alias a": "did you mean dnet link add web db -p 80 --alias a? "
    "If not: dnet link --help",
    "link web": "did you mean dnet link env web? If not: dnet link --help",
    "link web:db": "dnet link --help",
    "link host db": "did you mean dnet link add host db? If not: dnet link --help",
    "link web db --help": "dnet link --help",
    "map web 8080:80": "did you mean dnet map add web 8080:80? If not: dnet map --help",
    "map 172.17.0.2 localhost:8080:80": "did you mean dnet map add 172.17.0.2 localhost:8080:80? "
    "If not: dnet map --help",
    "map web": "dnet map --help",
    "map web 8080-80": "dnet map --help",
    "interface web": "did you mean dnet interface show web or dnet interface allocate web? "
    "If not: dnet interface --help",
    "interface web --expose 80": "did you mean dnet interface allocate web --expose 80? "
    "If not: dnet interface --help",
    "interface lsit": "did you mean list? If not: dnet interface --help",
    "ip 172.17.0.5": "did you mean dnet ip request --ip 172.17.0.5? If not: dnet ip --help",
    "ip web": "dnet ip --help",
    "bridge dnet1": "did you mean dnet bridge show dnet1 or dnet bridge init dnet1? "
    "If not: dnet bridge --help",
    "bridge dnet1 --no-icc": "did you mean dnet bridge init dnet1 --no-icc? "
    "If not: dnet bridge --help",
    "port 8080": "did you mean dnet port allocate --port 8080? If not: dnet port --help",
    "interface allocate vm 172.17.0.9": "did you mean --ip 172.17.0.9? "
    "If not: dnet interface allocate --help",
    "port allocate 9001": "did you mean --port 9001? If not: dnet port allocate --help",
    "port allocate 9001-9009 udp": "did you mean --port 9001-9009? "
    "If not: dnet port allocate --help",
    "link add web db 5432 80": "did you mean -p 5432? If not: dnet link add --help",
    "attach vm --netns vm 80": "did you mean -p 80? If not: dnet attach --help",
    "bridge init br0 10.0.0.1/24": "did you mean --address 10.0.0.1/24? "
    "If not: dnet bridge init --help",
    "bridge init --icc=false": "did you mean --no-icc? If not: dnet bridge init --help",
    "bridge init --icc=true": "did you mean --icc? If not: dnet bridge init --help",
    "bridge init --no-icc=false": "did you mean --icc? If not: dnet bridge init --help",
    "bridge init --icc=maybe": "did you mean --icc or --no-icc? If not: dnet bridge init --help",
    "bridge init --iptables=False": "did you mean --no-iptables? If not: dnet bridge init --help",
    "bridge init --masquerade=0": "did you mean --no-masquerade? If not: dnet bridge init --help",
    "bridge init --ip-forward=no": "did you mean --no-ip-forward? If not: dnet bridge init --help",
    "bridge init --isolate=off": "did you mean --no-isolate? If not: dnet bridge init --help",
    "bridge init --dry-run=true": "dnet bridge init --help",
    "bridge init --bip 10.0.0.1/24": "did you mean --address? If not: dnet bridge init --help",
    "bridge init --subnet=10.0.0.0/24": "did you mean --address? If not: dnet bridge init --help",
    "bridge init --gateway 10.0.0.1": "did you mean --address? If not: dnet bridge init --help",
    "bridge init --ip-masq=false": "did you mean --masquerade or --no-masquerade? "
    "If not: dnet bridge init --help",
    "bridge init --fixed-cidr 10.0.0.0/24": "did you mean --range? If not: dnet bridge init --help",
    "attach vm --netns vm --port 80": "did you mean --publish? If not: dnet attach --help",
    "attach vm --netns vm --ports 80": "did you mean --publish? If not: dnet attach --help",
    "link add web db --ports 80": "did you mean --port? If not: dnet link add --help",
    "bridge init lab0 --icc false": "dnet bridge init --help",
    "interface allocate vm1 vm2": "dnet interface allocate --help",
    "port allocate tcp/80": "dnet port allocate --help",
    "map list web db": "dnet map list --help",
    "link list wbe": "did you mean web? If not: dnet interface list",
    "link list web db": "dnet link list --help",
    "interface list web": "did you mean dnet interface show web? "
    "If not: dnet interface list --help",
    "port list web dnet0": "did you mean --bridge dnet0? If not: dnet port list --help",
    "bridge list dnet0": "did you mean dnet bridge show dnet0? If not: dnet bridge list --help",
    "ip request -- --ip": "dnet ip request --help",
    "port release --port 8080": "dnet port release --help",
    "map add web --port 80": "dnet map add --help",
    "map add web -p 8080:80": "give SPEC without an option: dnet map add TARGET SPEC...",
    "map add -p8080:80 web": "give SPEC without an option: dnet map add TARGET SPEC...",
    "map add web --publish=8080:80": "give SPEC without an option: dnet map add TARGET SPEC...",
    "map add 8080:80 web": "the target comes first: dnet map add TARGET SPEC...",
    "map add web 127.0.0.1:80": "127.0.0.1::80 lets dnet choose the host port",
    "map add web 127.0.0.1:53/udp": "127.0.0.1::53/udp lets dnet choose the host port",
    "map add web 127.0.0.1:http": "ports go from 1 to 65535",
    "attach vm --netns vm -p web": "ports go from 1 to 65535",
    "port allocate --port 8080/udp": "--port 8080 --proto udp",
    "port allocate --port 8000-8010/SCTP": "--port 8000-8010 --proto sctp",
    "port allocate --port 8080/icmp": "ports go from 1 to 65535",
    "bridge init --port-range 80/udp": "ports go from 1 to 65535",
    "ip allocate": "did you mean request? If not: dnet ip --help",
    "port request": "did you mean allocate? If not: dnet port --help",
    "interface request": "did you mean allocate? If not: dnet interface --help",
    "version": "did you mean dnet --version? If not: dnet --help",
    "help": "dnet --help",
    "bridge init --alloc x": "did you mean --allocation? If not: dnet bridge init --help",
    "bridge init --nomasquerade": "did you mean --no-masquerade, --no-masquerade6 or --masquerade? "
    "If not: dnet bridge init --help",
    "map list --format jsn": "did you mean json? If not: dnet map list --help",
    "bridge init br5 --allocation ruse": "did you mean reuse? If not: dnet bridge init --help",
    "bridge show dnte0": "did you mean dnet0? If not: dnet bridge list",
    "ip list --bridge dnet1": "did you mean dnet0? If not: dnet bridge list",
    "interface show wbe": "did you mean web? If not: dnet interface list",
    "map list cahce": "did you mean cache? If not: dnet interface list",
    "link env wbe": "did you mean web? If not: dnet interface list",
    "map remove 8081 --dry-run": "did you mean 0.0.0.0:8080/tcp? If not: dnet map list",
    "map remove 8080/udp --dry-run": "did you mean 0.0.0.0:8080/tcp? If not: dnet map list",
    "map remove 7003/udp --dry-run": "dnet map remove 0.0.0.0:7000-7009/udp",
    "port release 9001 --dry-run": "did you mean 0.0.0.0:9000/tcp? If not: dnet port list",
    "link remove web:dbb --dry-run": "did you mean web:db? If not: dnet link list",
    "link remove db web --dry-run": "did you mean web:db? If not: dnet link list",
    "map remove 0.0.0.0:8080:80 --dry-run": ("leave out the container's side: 0.0.0.0:8080/tcp"),
    "init": "did you mean bridge? If not: dnet --help",
    "bridge add br0": "did you mean init? If not: dnet bridge --help",
    "map remove web --dry-run": "every mapping of an id: dnet map remove --all web",
    "map remove localhost --dry-run": "ports go from 1 to 65535",
    "map remove tcp/8080 --dry-run": "use tcp, udp or sctp",
    "map remove web/tcp --dry-run": "ports go from 1 to 65535",
    "map remove 80-a --dry-run": "ports go from 1 to 65535",
    "map list --state-dir /tmp": "put it before the command: dnet --state-dir …",
    "ip request --count": "dnet ip request --help",
    "interface show entirely-other": "dnet interface list",
    "frobnicate": "dnet --help",
    "completion": "dnet completion --help",
    "completion tcsh": "dnet completion --help",
    "completion bsh": "did you mean bash or zsh? If not: dnet completion --help",
}


SAID = {
    "completion": "missing argument 'bash|zsh|fish'",
    "completion tcsh": "'tcsh' is not one of bash, zsh, fish",
    "gc web": "unexpected argument 'web'",
    "attach x --netns=": "--netns: '' is not a name, path or pid of a network namespace",
    "map list --format jsn": "--format: 'jsn' is not one of text, json, env",
}


@pytest.mark.libraries
@pytest.mark.parametrize("line", SAID)
def test_the_error(line: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(line.split())
    assert capfd.readouterr().err.splitlines()[0] == f"dnet: error: {SAID[line]}"


@pytest.mark.libraries
@pytest.mark.parametrize("line", NEAR)
def test_the_hint(line: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    out, error = capfd.readouterr()
    assert ended.value.code in (2, 3)
    assert out == ""
    first, second = error.splitlines()
    assert first.startswith("dnet: error: ")
    assert second == f"dnet: hint: {NEAR[line]}"


def test_a_line_of_a_batch_is_hinted_at_as_well(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lines"
    file.write_text("interface show web\ninterface shwo web\n")
    with pytest.raises(SystemExit):
        main(["batch", str(file)])
    assert capfd.readouterr().err.splitlines() == [
        "dnet: error: line 2: interface shwo web: there is no command 'shwo'",
        "dnet: hint: did you mean show? If not: dnet interface --help",
    ]


@pytest.mark.parametrize("line", ["map add web 90:80 \\\n98:90", "map add 'web' 90:80\\"])
def test_a_line_of_a_batch_does_not_go_on_in_the_next(
    tmp_path: Path, line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lines").write_text(f"{line}\n")
    with pytest.raises(SystemExit) as ended:
        main(["batch", str(tmp_path / "lines")])
    first, second = capfd.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert first.endswith(": the line ends in a backslash")
    assert second == "dnet: hint: write each command on one line"


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("--keep-going", "dnet batch --dry-run"),
        ("--each", "run it by itself: dnet map add web 90:80 --dry-run"),
    ],
)
def test_a_dry_run_of_a_line_of_a_batch_is_told_where_it_can_be_had(
    tmp_path: Path, option: str, hint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lines").write_text("map add web 90:80 --dry-run\n")
    with pytest.raises(SystemExit):
        main(["batch", str(tmp_path / "lines"), option, "--json"])
    assert f'"hint": "{hint}"' in "".join(capfd.readouterr())


IN_STORE = {
    "bridge remove dnet0 --dry-run": "dnet --state-dir {} bridge remove dnet0 --force",
    "bridge inti": "did you mean init? If not: dnet --state-dir {} bridge --help",
    "map list wbe": "did you mean web? If not: dnet --state-dir {} interface list",
    "map remove": "dnet --state-dir {} map list shows them",
    "map -q list": "put it after the command: dnet --state-dir {} map … -q",
    "bridge init dnet0 --no-iptables --dry-run": "list and remove them: "
    "dnet --state-dir {} map list --bridge dnet0; dnet --state-dir {} link list --bridge dnet0",
    "brige list": "did you mean bridge? If not: dnet --help",
    "port list 80": "did you mean 0.0.0.0:8080/tcp? If not: dnet --state-dir {} port list",
    "link web db": "did you mean dnet --state-dir {} link add web db? "
    "If not: dnet --state-dir {} link --help",
    "map list --state-dir /tmp": "put it before the command: dnet --state-dir …",
}


@pytest.fixture
def given(folder: Path, tmp_path: Path) -> str:
    """The same store under a name that the shell would take apart."""
    path = tmp_path / "the store"
    path.symlink_to(folder)
    return str(path)


@pytest.mark.libraries
@pytest.mark.parametrize("line", IN_STORE)
def test_a_hint_names_the_store_that_the_command_line_named(
    given: str, line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--state-dir", given, *line.split()])
    hint = IN_STORE[line].replace("{}", f"'{given}'")
    assert capfd.readouterr().err.splitlines()[1] == f"dnet: hint: {hint}"


@pytest.mark.parametrize("options", [["--keep-going"], ["--keep-going", "-j"], ["--each", "-j"]])
def test_a_hint_for_a_line_of_a_batch_names_the_store(
    given: str, tmp_path: Path, options: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lines").write_text("interface shwo web\n")
    with pytest.raises(SystemExit):
        main(["--state-dir", given, "batch", str(tmp_path / "lines"), *options])
    said = "".join(capfd.readouterr())
    assert f"did you mean show? If not: dnet --state-dir '{given}' interface --help" in said


def test_the_most_similar_comes_first_and_three_are_enough() -> None:
    known = ["app-1", "app-2", "app-12", "app-3", "web"]
    assert nearby.names("app-11", known)[0] in ("app-1", "app-12")
    assert len(nearby.names("app-11", known)) == 3
    assert nearby.names("zzz", known) == []


def test_long_names_by_the_thousand_are_looked_through_all_the_same() -> None:
    known = ["x" * 110 + f"{number:05}" for number in range(10_000)]
    assert nearby.names("x" * 109 + "01234", known)[0] == "x" * 110 + "01234"


def test_an_endpoint_of_the_same_port_comes_before_one_written_alike() -> None:
    known = ["0.0.0.0:8080/tcp", "10.0.0.1:8081/tcp", "127.0.0.1:8081/udp"]
    assert nearby.endpoints(parse_endpoint("8081"), known) == known[1:]
    assert nearby.endpoints(parse_endpoint("8088/udp"), known)[0] in known
    assert nearby.endpoints(parse_endpoint("53/udp"), known) == []


@pytest.mark.libraries
@pytest.mark.parametrize(
    ("line", "is_json"),
    [
        ("map remove 5 --json --format text --dry-run", False),
        ("map remove 5 --format text --json --dry-run", True),
        ("map remove --json --format=text", False),
        ("map remove x --format json --format text", False),
        ("map remove -j", True),
        ("map remove 5 --jsn --json", True),
        ("map list --format jsn --json", True),
        ("completion tcsh --json", True),
        ("batch --json /nowhere", True),
    ],
)
def test_an_error_has_the_form_that_was_asked_for(
    line: str, is_json: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(line.split())
    assert capfd.readouterr().err.startswith('{"error"') == is_json


@pytest.mark.libraries
@pytest.mark.parametrize(("options", "is_json"), [([], False), (["--json"], True)])
def test_a_line_of_a_batch_does_not_choose_the_form_of_the_error(
    tmp_path: Path,
    options: list[str],
    is_json: bool,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "lines").write_text(f"map remove {'x' if is_json else '--json'} --format text\n")
    with pytest.raises(SystemExit):
        main(["batch", str(tmp_path / "lines"), *options])
    assert capfd.readouterr().err.startswith('{"error"') == is_json
