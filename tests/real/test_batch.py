"""`dnet batch`: many commands as one, all of them or none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import observed
from tests.contract import STATUS
from tests.host import Host, read_refusal
from tests.lab import Lab
from tests.real.test_bridge import NO_NAMESERVER, devices
from tests.real.test_transaction import refusing


@pytest.fixture
def br0(host: Host) -> Host:
    """A machine with one bridge and an interface `web` at 172.17.0.2."""
    host.ok("bridge", "init", "br0", "--address", "172.17.42.1/16")
    host.ok("interface", "allocate", "web")
    return host


def refused(host: Host, status: int, *lines: str, options: tuple[str, ...] = ()) -> str:
    """The message of a batch that must fail with `status`, and must have changed nothing."""
    before = host.everything()
    done = host.dnet("batch", *options, stdin="\n".join(lines) + "\n")
    assert done.returncode == status, done
    assert host.everything() == before
    return read_refusal(done).message


# --- one transaction ---------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--keep-going",)], ids=str)
def test_a_line_that_the_kernel_refuses_is_named(
    lab: Lab, br0: Host, options: tuple[str, ...]
) -> None:
    free, full = lab.node(), lab.node()
    full.ip("link add eth0 type veth peer name eth1")
    lines = [f"attach {name} --netns {node.netns}" for name, node in (("a", free), ("b", full))]
    message = refused(br0, STATUS["conflict"], "ip request", *lines, options=options)
    shown = f"line 3: {lines[1]}"
    assert message == f"{shown}: the device eth0 already exists in /run/netns/{full.netns}"
    assert len(free.run("ip -o link").splitlines()) == 1, "but for lo there is nothing"


def test_a_line_whose_bridge_cannot_be_made_is_named(br0: Host) -> None:
    br0.ip("link add br1 type bridge", "address add 10.1.0.1/24 dev br1")
    br0.ok("bridge", "init", "br1", "--address", "10.1.0.1/24")
    br0.ip("link delete br1")
    line = "bridge init br1 --mtu 1400"
    message = refused(br0, STATUS["kernel"], "ip request --bridge br0", line)
    assert message == f"line 2: {line}: the device br1 existed before dnet and is gone"


def test_everything_from_an_empty_machine_in_one_batch(every: Lab) -> None:
    host = every.host()
    client, web = every.outside(host), every.node()
    web.listen("tcp", 80, "web")
    lines = [
        "bridge init br0 --address 172.17.42.1/16",
        f"attach web --netns {web.netns} --expose 80",
        "interface allocate db",
        "map add web 8080:80",
        "link add db web",
        "port allocate --owner db",
    ]
    out = host.ok("batch", stdin="\n".join(lines))
    assert out.split() == ["172.17.0.2", "172.17.0.3", "0.0.0.0:8080/tcp", "49153"]
    client.reaches("web", "tcp", "10.99.0.1", 8080)
    assert host.ok("check") == ""


def test_a_line_sees_what_those_before_it_did(br0: Host) -> None:
    lines = "map list -q\nmap add web 80\nmap list -q\nmap remove 49153\nmap list -q\nip list -q\n"
    out = br0.ok("batch", stdin=lines)
    assert out.split() == ["0.0.0.0:49153/tcp", "0.0.0.0:49153/tcp", "172.17.0.2"]
    assert br0.json("map", "list") == []


def test_what_was_removed_can_be_had_again_in_the_same_batch(br0: Host) -> None:
    br0.ok("map", "add", "web", "8080:80")
    br0.ok("batch", stdin="map remove 8080\ninterface allocate db\nmap add db 8080:80\n")
    assert [one["owner"] for one in br0.json("map", "list")] == ["db"]
    assert br0.ok("check") == ""


def test_reading_alone_changes_nothing(br0: Host) -> None:
    before = br0.everything()
    assert br0.ok("batch", stdin="interface list -q\nip list -q\n").split() == ["web", "172.17.0.2"]
    assert br0.everything() == before


def test_bytes_that_are_no_text_are_a_bad_line(br0: Host, tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"interface show \xff\n")
    for command in ("dnet batch <", "dnet batch"):
        env = {"PYTHONIOENCODING": "utf-8:strict"}
        done = br0.try_run(f"{command} {tmp_path}/lines", env=env)
        assert done.returncode == 2
        assert "line 1: " in read_refusal(done).message


@pytest.mark.parametrize("options", ["", "--each"])
@pytest.mark.parametrize("first", ["", "# a comment\r\n", "\r\n"])
def test_a_byte_order_mark_is_passed_over(
    br0: Host, tmp_path: Path, first: str, options: str
) -> None:
    """As an editor of another system leaves it, together with its ends of lines."""
    lines = tmp_path / "lines"
    lines.write_bytes(f"\ufeff{first}ip request\r\nip request\r\n".encode())
    for words in (f"dnet batch {options} {lines}", f"dnet batch {options} < {lines}"):
        done = br0.try_run("sh", "-c", words)
        assert (done.returncode, done.stderr, len(done.stdout.split())) == (0, "", 2)
    lines.write_bytes(b"ip request\n\xef\xbb\xbfip request\n")
    refusal = read_refusal(br0.try_run("dnet", "batch", str(lines)))
    assert refusal.message.startswith("line 2: ")


def test_nothing_to_do_is_nothing_done(br0: Host) -> None:
    before = br0.everything()
    br0.quiet("batch")
    assert br0.ok("batch", stdin="\n# only a comment\n\n") == ""
    assert br0.everything() == before


def test_a_batch_is_one_change_of_the_kernel_under_one_lock(br0: Host) -> None:
    lines = "map add web 80\nmap add web 81\nip request\nmap add web 82\nmap remove 49153\n"
    br0.ok("batch", stdin=lines)  # The first mapping sets up what all of them need.
    seen = observed.on(br0, "batch", stdin="map add web 83\nmap add web 84/udp\nmap list\n")
    assert seen.programs == ["iptables-restore"]
    assert seen.locks == 1


# --- all or nothing ----------------------------------------------------------------------------


def test_a_line_that_fails_is_named_and_nothing_remains(br0: Host) -> None:
    good = ("map add web 8080:80", "ip request", "# a comment", "")
    message = refused(br0, STATUS["not-found"], *good, "map add nope 80")
    assert message.startswith("line 5: map add nope 80: ")
    assert "nope" in message.removeprefix("line 5: map add nope 80: ")
    message = refused(br0, STATUS["port-in-use"], "map add web 8080:80", "map add web 8080:81")
    assert message.startswith("line 2: map add web 8080:81: ")


@pytest.mark.libraries
@pytest.mark.parametrize(
    "line",
    ["map add web 99999", "map nope", "nope", "map add", "map add web 'x", "ip request --count x"],
)
def test_a_line_that_cannot_be_read_is_named_before_anything_is_touched(
    br0: Host, line: str
) -> None:
    message = refused(br0, STATUS["usage"], "map add web 8080:80", line, "ip request")
    assert message.startswith(f"line 2: {line}: ")


@pytest.mark.parametrize(
    "line", ["batch", "reset --yes", "restore", "gc", "map add web 80 --dry-run"]
)
def test_what_is_no_line_of_a_batch(br0: Host, line: str) -> None:
    assert refused(br0, STATUS["usage"], "ip request", line).startswith(f"line 2: {line}: ")


def test_a_long_line_is_shortened_in_the_message(br0: Host) -> None:
    ports = " ".join(str(port) for port in range(1000, 1100))
    message = refused(br0, STATUS["not-found"], f"map add nope {ports}")
    assert len(message) < 120


def test_a_failure_in_json(br0: Host) -> None:
    before = br0.everything()
    done = br0.dnet("batch", "--json", stdin="map add web 8080:80\nmap add nope 80\n")
    refusal = read_refusal(done)
    assert (refusal.status, refusal.code) == (STATUS["not-found"], "not-found")
    assert refusal.message.startswith("line 2: map add nope 80: ")
    assert br0.everything() == before


def test_what_the_kernel_refuses_undoes_the_whole(both: Lab) -> None:
    host = both.host()
    host.ok("batch", stdin="bridge init\ninterface allocate web\nmap add web 8080:80\n")
    before = host.everything()
    lines = "map add web 9090:80\nip request\nmap add web 9091:80\nmap remove 8080\n"
    no_iptables = refusing(host, "iptables-restore")
    for options in ((), ("--keep-going",)):
        done = host.dnet("batch", *options, stdin=lines, env=no_iptables)
        assert done.returncode == STATUS["kernel"], done
        assert host.everything() == before
    host.ok("batch", stdin=lines)
    assert host.ok("check") == ""


def test_an_attachment_that_cannot_be_made_undoes_the_whole(lab: Lab) -> None:
    host, web = lab.host(), lab.node()
    host.ok("bridge", "init")
    web.ip("link add eth0 type veth peer name eth1")
    before = host.everything()
    lines = f"interface allocate db\nmap add db 80\nattach web --netns {web.netns} -p 8080:80\n"
    done = host.dnet("batch", stdin=lines)
    assert done.returncode == STATUS["conflict"], done
    assert host.everything() == before


# --- one bridge in place of another ------------------------------------------------------------


@pytest.mark.parametrize("options", ["", "--address 10.5.0.1/24 --mtu 1400", "--no-icc"])
def test_a_bridge_made_anew_in_one_batch_is_as_one_by_one(lab: Lab, options: str) -> None:
    found = []
    for batch in (True, False):
        host = lab.host(resolv_conf=NO_NAMESERVER)
        host.ok("bridge", "init")
        lines = ["bridge remove dnet0", f"bridge init dnet0 {options}"]
        for words in ["\n".join(lines)] if batch else lines:
            host.ok("batch", stdin=words)
        host.quiet("check")
        shown = {key: one for key, one in host.json("bridge", "show").items() if key != "created"}
        found.append((host.snapshot(), shown))
        host.ok("bridge", "remove", "dnet0")
        assert devices(host) == ["lo"]
    assert found[0] == found[1]


def test_an_adopted_bridge_stays_adopted_in_one_batch(lab: Lab) -> None:
    host = lab.host(resolv_conf=NO_NAMESERVER)
    host.ip("link add br0 type bridge", "address add 10.1.0.1/24 dev br0")
    host.ok("bridge", "init", "br0")
    host.ok("batch", stdin="bridge remove br0\nbridge init br0\n")
    shown = host.json("bridge", "show", "br0")
    assert (shown["adopted"], shown["address"]) == (True, "10.1.0.1/24")


# --- how lines are written ---------------------------------------------------------------------


@pytest.mark.libraries
def test_lines_are_split_as_the_shell_does(br0: Host) -> None:
    lines = """
      # a comment, and a blank line above
    interface   allocate  "db" --expose '80/tcp'   # and one behind
\tmap add d\\b 8080:80
    link add db web -p "53"/udp
    """
    out = br0.ok("batch", stdin=lines)
    assert out.split() == ["172.17.0.3", "0.0.0.0:8080/tcp"]
    assert br0.json("interface", "show", "db")["expose"] == ["80/tcp"]
    assert br0.json("link", "list")[0]["ports"] == ["53/udp"]


def test_a_file_and_a_last_line_without_its_end(br0: Host) -> None:
    file = br0.state_dir.parent / "lines"
    file.write_text("map add web 8080:80\nmap add web 8081:80")
    assert br0.ok("batch", str(file)).split() == ["0.0.0.0:8080/tcp", "0.0.0.0:8081/tcp"]
    assert br0.ok("batch", "-", stdin="ip request") == "172.17.0.3"
    assert br0.dnet("batch", "/nonexistent").returncode == STATUS["failed"]


def test_output_comes_in_the_order_of_the_lines(br0: Host) -> None:
    lines = "ip request\ninterface list -q\nport allocate\nip request --count 2\nmap add web 80\n"
    expected = ["172.17.0.3", "web", "49153", "172.17.0.4", "172.17.0.5", "0.0.0.0:49154/tcp"]
    assert br0.ok("batch", stdin=lines).splitlines() == expected


def test_a_line_has_the_form_that_it_asks_for(br0: Host) -> None:
    lines = "ip request --json\nmap add web 80 --format env\nip list -jq\nmap remove 49153 --json\n"
    first, *variables, own, last = br0.ok("batch", stdin=lines).splitlines()
    assert json.loads(first)["ip"] == "172.17.0.3"
    assert "DNET_HOST_PORT=49153" in variables
    assert [own, last] == ["172.17.0.2", "172.17.0.3"]


def test_shell_variables_of_a_list_are_refused_with_all_of_the_batch(br0: Host) -> None:
    before = br0.everything()
    lines = "ip request\nip list --format env\n"
    refusal = read_refusal(br0.dnet("batch", stdin=lines))
    assert refusal.status == STATUS["usage"]
    assert refusal.message.startswith("line 2: ip list --format env: ")
    assert br0.everything() == before


def test_a_list_is_of_its_own_time(br0: Host) -> None:
    lines = "ip list -q\nip request\nip list\ninterface release web\n"
    first, second, _, *rows = br0.ok("batch", stdin=lines).splitlines()
    assert [first, second] == ["172.17.0.2", "172.17.0.3"]
    assert [row.split()[0] for row in rows] == ["172.17.0.2", "172.17.0.3"]


def test_json_is_an_array_with_a_result_a_line(br0: Host) -> None:
    lines = "map add web 8080:80\nip request --count 2\nmap remove 8080\nmap list\n"
    found = json.loads(br0.ok("batch", "--json", stdin=lines))
    assert found[0]["host_port"] == 8080
    assert [one["ip"] for one in found[1]] == ["172.17.0.3", "172.17.0.4"]
    assert found[2:] == [None, []]
    assert json.loads(br0.ok("batch", "--format", "json")) == []


# --- keep going, dry run -----------------------------------------------------------------------


def test_keep_going_leaves_out_what_is_refused_and_does_the_rest(br0: Host) -> None:
    lines = "map add web 8080:80\nmap add nope 80\nmap 'x\nmap add web 8080:81\nip request\n"
    done = br0.dnet("batch", "--keep-going", stdin=lines)
    assert done.returncode == STATUS["not-found"]
    assert done.stdout.split() == ["0.0.0.0:8080/tcp", "172.17.0.3"]
    errors = [line for line in done.stderr.splitlines() if "hint: " not in line]
    assert len(errors) < len(done.stderr.splitlines())
    assert [error.split(":")[2].strip() for error in errors] == ["line 2", "line 3", "line 4"]
    assert br0.keys("map", "list") == ["0.0.0.0:8080/tcp"]
    assert br0.ok("check") == ""


def test_keep_going_takes_back_the_half_of_a_line_that_is_refused(br0: Host) -> None:
    br0.ok("map", "add", "web", "8080:80")
    done = br0.dnet("batch", "--keep-going", stdin="map add web 70 8080:70\nmap add web 71\n")
    assert done.returncode == STATUS["port-in-use"]
    assert done.stdout.split() == ["0.0.0.0:49153/tcp"]
    assert [one["container_port"] for one in br0.json("map", "list")] == [80, 71]
    assert br0.ok("check") == ""


def test_keep_going_in_json_has_the_errors_in_their_places(br0: Host) -> None:
    lines = "map add web 8080:80\nmap add nope 80\nip request\n"
    done = br0.dnet("batch", "--keep-going", "--json", stdin=lines)
    assert (done.returncode, done.stderr) == (STATUS["not-found"], "")
    first, second, third = json.loads(done.stdout)
    assert (first["host_port"], third["ip"]) == (8080, "172.17.0.3")
    assert second["error"]["code"] == "not-found"
    assert second["error"]["message"].startswith("line 2: ")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_dry_run_tells_what_keep_going_would_leave_out(br0: Host, form: str) -> None:
    before = br0.everything()
    lines = "nope\nmap add nope 80\nip request\n"
    done = br0.dnet("batch", "--keep-going", "--dry-run", "--format", form, stdin=lines)
    assert done.returncode == STATUS["usage"]
    assert [line.split(": ")[2] for line in done.stderr.splitlines() if "error: " in line] == [
        *("line 1", "line 2"),
    ]
    assert "leases: + 172.17.0.3" in done.stdout
    assert br0.everything() == before


def test_keep_going_with_nothing_refused_is_a_success(br0: Host) -> None:
    assert br0.ok("batch", "--keep-going", stdin="ip request\n") == "172.17.0.3"


def test_a_dry_run_shows_the_steps_of_all_and_changes_nothing(br0: Host) -> None:
    br0.ok("map", "add", "web", "8080:80")
    before = br0.everything()
    out = br0.ok("batch", "--dry-run", stdin="map add web 9090:80\nmap remove 8080\nip request\n")
    assert "iptables -t nat -A DNET -p tcp -m tcp --dport 9090" in out
    assert "iptables -t nat -D DNET -p tcp -m tcp --dport 8080" in out
    assert "172.17.0.3" in out
    assert br0.everything() == before
