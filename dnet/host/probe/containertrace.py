"""What rules in a container do with packets that it was seen to get, and did not answer.

They are sent once more, and traced there by a table of the probe's own in that namespace.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress

from dnet.errors import DnetError
from dnet.host import netns
from dnet.host.probe.attempts import Shot, Volley, Watch
from dnet.host.probe.ruletexts import Texts
from dnet.host.probe.surroundings import located
from dnet.host.probe.trace import Flow, Trace
from dnet.network.facts import Namespace
from dnet.probe.evidence import ContainerTrace
from dnet.probe.trials import Trial

_PASSAGE = 0.1  # How long a packet and its answer may take to get in and out, in seconds.


class _Place:
    """A container's network namespace, with a trace. Raises OSError, DnetError."""

    def __init__(self, held: ExitStack, namespace: Namespace) -> None:
        self._descriptor = held.enter_context(netns.opened(namespace))
        with netns.inside(self._descriptor):
            self.trace = held.enter_context(Trace())
        self._texts = Texts()

    def told(self, port: int) -> ContainerTrace:
        """What was seen of the attempt from a port."""
        traced = self.trace.first([port])
        request, answer = (traced.get((port, asks), ()) for asks in (True, False))
        with netns.inside(self._descriptor):
            return ContainerTrace(request, answer, self._texts.of_all((*request, *answer)))


def of_all(attempts: Sequence[tuple[Trial, Shot]]) -> list[ContainerTrace | None]:
    """What was seen of each in its container; None where one cannot look into it."""
    with ExitStack() as held:
        places = _places(held, [trial for trial, _ in attempts])
        if not places:
            return [None] * len(attempts)
        volley = Volley([shot._replace(backlog=None) for _, shot in attempts])
        held.callback(volley.close)
        flows = list(zip(attempts, volley.source_ports, strict=True))
        for whose, place in places.items():
            its = [Flow.of(trial, port) for (trial, _), port in flows if trial.whose == whose]
            place.trace.follow_inside(its)
        volley.send(Watch([place.trace for place in places.values()]), _PASSAGE)
        return [
            places[trial.whose].told(port) if trial.whose in places else None
            for (trial, _), port in flows
        ]


def _places(held: ExitStack, trials: Iterable[Trial]) -> dict[str, _Place]:
    """The containers that one can look into, by their names."""
    places = {}
    for whose, trial in {one.whose: one for one in trials}.items():
        if namespace := located(trial):
            with suppress(OSError, DnetError):
                places[whose] = _Place(held, namespace)
    return places
