"""Whether requests leave something behind in a worker: what it counts of
itself, at /count, before and after."""

from __future__ import annotations

import ast
from collections.abc import Callable

from serving import Server, wait_for

# A worker may have less than so much more than before; what it does not count
# is not looked at.
SLACK = {"tasks": 1, "fds": 4, "blocks": 300, "kib": 2048}

# Method, bytes, and the status that is wanted.
Request = tuple[str, bytes, int]


def count(server: Server) -> dict[str, int]:
    counts: dict[str, int] = ast.literal_eval(server.get("/count").text)
    return counts


def leaves_nothing(
    server: Server, use: Callable[[], None], warm_up: int = 1
) -> None:
    """The last use() needs nothing that those before have not needed: one, or
    more where CPython takes a while to learn of code that runs often."""
    # The first answer in JSON imports what writes it.
    count(server)
    for _ in range(warm_up):
        use()
    before = count(server)
    use()
    server.clients.clear()

    def is_over() -> bool:
        now = count(server)
        return now["objects"] - before["objects"] < 100 and not now["busy"]

    wait_for(is_over, f"the objects of before, {before}")
    after = count(server)
    for name, slack in SLACK.items():
        if name in before:
            assert after[name] - before[name] < slack, (before, after)


def ask(server: Server, requests: list[Request], times: int) -> None:
    """So many rounds, on connections that are new every 100 rounds."""
    packet = b"".join(request for _, request, _ in requests)
    for start in range(0, times, 100):
        with server.connect() as client:
            for _ in range(min(100, times - start)):
                client.send(packet)
                for method, request, status in requests:
                    answer = client.answer(method)
                    assert answer.status == status, (request, answer)
    server.clients.clear()
