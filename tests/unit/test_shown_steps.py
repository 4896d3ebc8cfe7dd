"""A step is shown as a command line that the shell reads as it is meant."""

from __future__ import annotations

import subprocess

from dnet.firewall.iptables.backend import Change
from dnet.model.entities import Bridge, Interface
from dnet.network.facts import ContainerDevice, Namespace
from dnet.plan import devices
from dnet.plan.steps import Plan, SettingStep

# Every program says its words, and nsenter runs what it is given.
PROGRAMS = """
say() { printf '<%s>' "$@"; echo; }
ip() { say "$@"; }; bridge() { say "$@"; }; sysctl() { say "$@"; }; iptables() { say "$@"; }
nsenter() { say "$1"; shift; if [ "$1" = sh ]; then eval "$3"; else "$@"; fi; }
"""


def test_whatever_a_name_holds_it_is_one_word() -> None:
    bridge = Bridge("a;b", "10.0.0.1/24", 1500, "")
    one = Interface("web", "a;b", "10.0.0.2", netns="/run/a place", ifname="$(e)&")
    plan = Plan(Change({"filter": ["-A FORWARD -i a;b ! -o a;b -j ACCEPT"]}))
    plan.before += devices.bridge_steps(bridge, None, ())
    place = Namespace("/run/a place", "/run/a place", 7)
    plan.before += devices.plug_steps(one, bridge, place)
    inner = ContainerDevice(
        2, "02:00:00:00:00:01", 1400, up=True, addresses=("10.0.0.2/24",), default="e", ipv6=False
    )
    plan.before += devices.inner_steps(one, bridge, place, inner, again=False)
    plan.after.append(SettingStep(("net", "ipv4", "conf", "a;b", "route_localnet"), "1"))
    lines = "\n".join(line for _, line in plan.lines())
    done = subprocess.run(
        ["sh", "-euc", PROGRAMS + lines], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    for words in (
        "<name><a;b><address>",
        "<set><dev><a;b><up>",
        "<dev><a;b>",
        "<peer><name><$(e)&><address>",
        "<netns></run/a place>",
        "<--net=/run/a place>",
        "<-w><net.ipv6.conf.$(e)&.disable_ipv6=1>",
        "<set><$(e)&><up>",
        "<set><dev><$(e)&><mtu><1500>",
        "<set><dev><$(e)&><address><02:42:0a:00:00:02>",
        "<-A><FORWARD><-i><a;b><!><-o><a;b><-j><ACCEPT>",
        "<-w><net.ipv4.conf.a;b.route_localnet=1>",
    ):
        assert words in done.stdout, words
