"""Figures of mappings as Prometheus reads them.

The text format of https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dnet.cli.output.document import Item, container_text, endpoint_text

_CONNECTIONS = ("dnet_mapping_connections", "gauge", "Tracked connections through a mapping.")
_COUNTED = {
    "packets": "Packets that passed through a mapping.",
    "bytes": "Bytes that passed through a mapping, at the network layer.",
}
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def lines(items: Sequence[Item]) -> Iterator[str]:
    """All metrics, each behind what it is; of what is not counted there is no sample."""
    yield from _about(*_CONNECTIONS)
    for item in items:
        yield _sample(_CONNECTIONS[0], item, item["connections"])
    for what, text in _COUNTED.items():
        name = f"dnet_mapping_{what}_total"
        yield from _about(name, "counter", text)
        for item in items:
            for way in ("in", "out"):
                if (value := item[f"{what}_{way}"]) is not None:
                    yield _sample(name, item, value, direction=way)


def _about(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _sample(name: str, item: Item, value: int, **more: str) -> str:
    labels = {
        "endpoint": endpoint_text(item),
        "container": container_text(item),
        "owner": item["owner"] or "",
        "bridge": item["bridge"],
        **more,
    }
    shown = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels.items())
    return f"{name}{{{shown}}} {value}"
