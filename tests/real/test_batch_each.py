"""`dnet batch --each`: a co-process that answers each line before the next is read."""

from __future__ import annotations

import json

import pytest

from tests.contract import STATUS
from tests.dialogue import talking_to
from tests.host import Host
from tests.lab import Lab


@pytest.fixture
def br0(host: Host) -> Host:
    """A machine with one bridge and an interface `web` at 172.17.0.2."""
    host.ok("bridge", "init", "br0", "--address", "172.17.42.1/16")
    host.ok("interface", "allocate", "web")
    return host


def test_each_line_is_answered_and_in_force_before_the_next_is_said(every: Lab) -> None:
    host = every.host()
    client, web = every.outside(host), every.node()
    web.listen("tcp", 80, "web")
    with talking_to(host) as dnet:
        assert dnet.ask("bridge init br0 --address 172.17.42.1/16") == ""
        assert dnet.ask(f"attach web --netns {web.netns}") == "172.17.0.2"
        assert dnet.ask("map add web 8080:80") == "0.0.0.0:8080/tcp"
        client.reaches("web", "tcp", "10.99.0.1", 8080)
        assert dnet.ask("map remove 8080") == ""
        client.misses("tcp", "10.99.0.1", 8080)
        assert dnet.end() == 0
    assert host.ok("check") == ""


def test_comments_and_blank_lines_get_no_answer(br0: Host) -> None:
    with talking_to(br0) as dnet:
        for line in ("", "# a comment", "   ", "   # another"):
            dnet.say(line)
        assert dnet.ask("ip request   # with a remark") == "172.17.0.3"
        assert dnet.end() == 0


def test_an_answer_is_one_line(br0: Host) -> None:
    with talking_to(br0) as dnet:
        assert dnet.ask("ip request --count 3") == "172.17.0.3 172.17.0.4 172.17.0.5"
        assert dnet.ask("map add web 80 81") == "0.0.0.0:49153/tcp 0.0.0.0:49154/tcp"
        assert dnet.ask("map list") == "0.0.0.0:49153/tcp 0.0.0.0:49154/tcp"
        assert json.loads(dnet.ask("interface show web"))["ip"] == "172.17.0.2"
        assert dnet.ask("link list") == ""


def test_a_line_that_fails_is_answered_and_the_next_is_read(br0: Host) -> None:
    with talking_to(br0) as dnet:
        assert dnet.ask("map add nope 80").startswith("error: not-found: ")
        assert dnet.ask("map add web 99999").startswith("error: usage: ")
        assert dnet.ask("nope").startswith("error: usage: ")
        assert dnet.ask("map 'x").startswith("error: usage: ")
        assert dnet.ask("reset --yes").startswith("error: usage: ")
        assert dnet.ask("map add web 8080:80") == "0.0.0.0:8080/tcp"
        assert dnet.ask("map add web 8080:81").startswith("error: port-in-use: ")
        assert dnet.ask("ip request") == "172.17.0.3"
        assert dnet.end() == 0
    assert br0.keys("map", "list") == ["0.0.0.0:8080/tcp"]


def test_what_one_line_did_stays_whatever_becomes_of_the_next(br0: Host) -> None:
    with talking_to(br0) as dnet:
        assert dnet.ask("map add web 8080:80") == "0.0.0.0:8080/tcp"
        assert br0.keys("map", "list") == ["0.0.0.0:8080/tcp"]
        # Others may change the store in between.
        br0.ok("map", "add", "web", "8081:80")
        assert dnet.ask("map add web 8081:81").startswith("error: port-in-use: ")
        assert dnet.ask("map list") == "0.0.0.0:8080/tcp 0.0.0.0:8081/tcp"
    assert br0.ok("check") == ""


def test_in_json_each_answer_is_an_object(br0: Host) -> None:
    with talking_to(br0, "--json") as dnet:
        assert json.loads(dnet.ask("map add web 8080:80"))["host_port"] == 8080
        error = json.loads(dnet.ask("map add nope 80"))["error"]
        assert error["code"] == "not-found"
        assert "nope" in error["message"]
        assert json.loads(dnet.ask("map remove 8080")) is None
        assert json.loads(dnet.ask("map list")) == []
        assert json.loads(dnet.ask("show --format dot"))["bridges"]
        assert json.loads(dnet.ask("map add nope 80 --format text"))["error"]["code"] == "not-found"
        assert dnet.end() == 0


def test_the_form_of_one_line_is_not_that_of_the_next(br0: Host) -> None:
    with talking_to(br0) as dnet:
        assert dnet.ask("interface list --quiet") == "web"
        assert dnet.ask("interface list --json --quiet") == "web"
        assert json.loads(dnet.ask("ip request --json"))["ip"] == "172.17.0.3"
        assert dnet.ask("ip request") == "172.17.0.4"
        assert json.loads(dnet.ask("map add nope 80 --json"))["error"]["code"] == "not-found"
        assert dnet.ask("map add nope 80").startswith("error: not-found: ")


def test_variables_of_one_line_are_what_eval_takes(br0: Host) -> None:
    with talking_to(br0) as dnet:
        answer = dnet.ask("interface show web --format env")
        assert dnet.ask("ip list --format env").startswith("error: usage: ")
    assert (
        br0.run("sh", "-c", f'{answer}; echo "$DNET_IP on $DNET_BRIDGE"') == "172.17.0.2 on br0\n"
    )


@pytest.mark.parametrize("option", ["--keep-going", "--dry-run"])
def test_options_of_a_whole_batch_are_refused(br0: Host, option: str) -> None:
    br0.fails(STATUS["usage"], "batch", "--each", option)


def test_a_bash_coprocess(br0: Host) -> None:
    script = r"""
    coproc DNET { dnet batch --each -; }
    dnet() { printf '%s\n' "$*" >&"${DNET[1]}"; IFS= read -r answer <&"${DNET[0]}"; }
    dnet interface allocate db; echo "$answer"
    dnet map add db 8080:80; echo "$answer"
    dnet map add db 8080:81; echo "${answer%: port*}"
    """
    out = br0.run("bash", "-c", script)
    assert out.split("\n") == ["172.17.0.3", "0.0.0.0:8080/tcp", "error: port-in-use", ""]
