"""So many requests for each client, and no more."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address

from .. import _core
from .._errors import HTTPError
from ._common import CallNext, tokens, whole

_UNKNOWN = ""


class RateLimit:
    """At most ``limit`` requests in ``window`` seconds for each client.

    A client that was quiet may send ``limit`` at once, and then as many as
    ``limit / window`` gives each second (the generic cell rate algorithm,
    ITU-T I.371).  Beyond that it is 429 with Retry-After (RFC 6585 4), and
    the handler is not called.  All answers have ``RateLimit-Policy`` and
    ``RateLimit`` (draft-ietf-httpapi-ratelimit-headers-10), by which clients
    can pace themselves; ``name`` is the policy's in them.

    A client is what ``key(request)`` gives, by default its address, of IPv6
    the first 64 bits, since every customer has as many addresses as that.
    None is not limited.  Clients without an address, on a unix socket, share
    one limit: let the server trust the proxy, so that it knows them.

    Each worker counts for itself: with four of them a client may get four
    times as much.  ``max_clients`` bounds the memory, some 200 bytes each;
    beyond that those that were seen longest ago are forgotten.  ``clock``
    gives seconds, for tests.

    Raises ValueError for a limit or a window that is none.
    """

    def __init__(
        self,
        limit: int,
        window: float = 60.0,
        *,
        key: Callable[[_core.Request], str | None] | None = None,
        name: str = "default",
        max_clients: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = whole("RateLimit: limit", limit, 1, 10**9)
        if not 0 < window < math.inf:
            raise ValueError(f"RateLimit: window {window} is no time")
        if key is not None and not callable(key):
            raise TypeError(f"RateLimit: key is {key!r}, no function")
        self._window = float(window)
        self._step = self._window / limit
        self._key = key or client_of
        (self._name,) = tokens("RateLimit: name", [name])
        self._max = whole("RateLimit: max_clients", max_clients, 1, 10**7)
        self._clock = clock
        # When each client will have its whole limit again; who was seen last
        # is at the end.
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._policy = f'"{name}";q={limit};w={math.ceil(window)}'

    def __len__(self) -> int:
        """How many clients are remembered."""
        return len(self._full_at)

    async def __call__(
        self, request: _core.Request, call_next: CallNext
    ) -> _core.Response:
        client = self._key(request)
        if client is None:
            return await call_next(request)
        wait, state = self._count(client)
        fields = {"ratelimit-policy": self._policy, "ratelimit": state}
        if wait > 0:
            fields["retry-after"] = str(math.ceil(wait))
            raise HTTPError(429, "429 Too Many Requests\n", fields)
        response = await call_next(request)
        response.headers.update(fields)
        return response

    def _count(self, client: str) -> tuple[float, str]:
        """How long the client has to wait, 0: not at all; and what RateLimit
        says: how many are left, and when there will be all again."""
        now = self._clock()
        used = max(self._full_at.get(client, now) - now, 0.0) + self._step
        # Rounding shall not cost the last one.
        over = used - self._window - self._step * 1e-6
        if over > 0:
            used -= self._step
        self._full_at[client] = now + used
        self._full_at.move_to_end(client)
        self._forget(now)
        left = max(int((self._window - used) / self._step + 1e-6), 0)
        return over, f'"{self._name}";r={left};t={math.ceil(used)}'

    def _forget(self, now: float) -> None:
        """Those who have their whole limit again, a few each time, and
        whoever is too many."""
        for _ in range(2):
            client, full_at = next(iter(self._full_at.items()))
            if full_at > now:
                break
            del self._full_at[client]
        while len(self._full_at) > self._max:
            self._full_at.popitem(last=False)


def client_of(request: _core.Request) -> str:
    """The client's address, of IPv6 its network of 64 bits."""
    if request.client is None:
        return _UNKNOWN
    host = request.client[0]
    if ":" not in host:
        return host
    try:
        address = IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> 64 << 64))
