"""Middleware that many applications want, to be registered as it is:

    from rupy.middleware import CORS, Compression

    app.middleware(Compression())
    app.middleware(CORS(allow_origins=["https://app.example.org"]))

What is registered first stands outermost.  Arguments that cannot be meant
are an error where the object is made.  Nothing of this is imported by
``import rupy``.
"""

from __future__ import annotations

from .compression import Compression
from .cors import CORS
from .hosts import TrustedHosts
from .rate_limit import RateLimit
from .request_id import RequestID, request_id
from .security import SecurityHeaders

__all__ = [
    "CORS",
    "Compression",
    "RateLimit",
    "RequestID",
    "SecurityHeaders",
    "TrustedHosts",
    "request_id",
]
