"""Figures in Prometheus' text format."""

from __future__ import annotations

from dnet.cli.output import prometheus

ITEM = {
    "host_ip": "::1",
    "host_port": 80,
    "container_ip": "fd00::2",
    "container_port": 81,
    "proto": "tcp",
    "owner": None,
    "bridge": 'a"b\\c\n',
    "connections": 2,
    "packets_in": None,
    "packets_out": None,
    "bytes_in": 7,
    "bytes_out": 0,
}


def test_labels_are_escaped_and_what_is_not_counted_has_no_sample() -> None:
    labels = r'endpoint="[::1]:80/tcp",container="[fd00::2]:81",owner="",bridge="a\"b\\c\n"'
    assert [line for line in prometheus.lines([ITEM]) if line[0] != "#"] == [
        f"dnet_mapping_connections{{{labels}}} 2",
        f'dnet_mapping_bytes_total{{{labels},direction="in"}} 7',
        f'dnet_mapping_bytes_total{{{labels},direction="out"}} 0',
    ]


def test_each_metric_is_told_once_ahead_of_its_samples() -> None:
    lines = list(prometheus.lines([ITEM, ITEM]))
    told = [line for line in lines if line[0] == "#"]
    assert [line.split()[1] for line in told] == ["HELP", "TYPE"] * 3
    for line in told:
        name = line.split()[2]
        assert all(name not in one for one in lines[: lines.index(line)] if one[0] != "#")
