"""The names that an application answers to."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .. import _core
from .._errors import HTTPError
from ._common import texts

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_IPV6 = re.compile(r"\[[0-9a-f:.]+\]")


class TrustedHosts:
    """Refuse requests for other hosts, 421 (RFC 9110 7.4, 15.5.20).

    Who builds URLs of ``request.host``, in mails that reset a password for
    example, would else send its users wherever the client liked.  ``hosts``
    are names without a port; ``*.example.org`` is everything below
    ``example.org``, but not itself.  IPv6 addresses stand in brackets.  A
    request for another port of the host passes, one without a Host does not.

    Checks of load balancers often ask for an address: allow it, or give them
    the server's own health pages.

    Raises ValueError for what is no host, and for ``*``, which would do
    nothing.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        names = [h.lower() for h in texts("TrustedHosts: hosts", hosts)]
        if not names:
            raise ValueError("TrustedHosts: no host at all is trusted")
        for name in names:
            bare = name.removeprefix("*.")
            if not (_NAME.fullmatch(bare) or _IPV6.fullmatch(name)):
                raise ValueError(
                    f"TrustedHosts: {name!r} is no host such as example.org or"
                    " *.example.org, without scheme and port"
                )
        self._hosts = frozenset(
            n.rstrip(".") for n in names if not n.startswith("*")
        )
        self._below = tuple(
            n[1:].rstrip(".") for n in names if n.startswith("*.")
        )

    def __call__(self, request: _core.Request) -> None:
        host = request.host.lower()
        if not host.endswith("]"):  # an IPv6 address has colons itself
            bare, colon, port = host.rpartition(":")
            if colon and (port.isdigit() or not port):
                host = bare
        host = host.rstrip(".")  # the root of the DNS may be written
        if host in self._hosts or (
            self._below
            and host.endswith(self._below)
            # ".example.org" is below nothing
            and not host.startswith(".")
        ):
            return
        raise HTTPError(421, "421 Misdirected Request\n")
