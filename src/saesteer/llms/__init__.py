"""Language models that explain and judge, behind one call: `await client.complete(request)`.

Knows: conversations, answers, their cost, retries, a cache on disk. Does not know: latents, explanations.
"""

from saesteer.llms.client import (
    NOTHING,
    ONE,
    BadReply,
    Client,
    ClientError,
    Message,
    RateLimited,
    Refused,
    Reply,
    Request,
    Role,
    TimedOut,
    TokenChoice,
    Unavailable,
    Usage,
    total,
    user,
)
from saesteer.llms.disk import CachedClient
from saesteer.llms.making import client_from
from saesteer.llms.many import complete_all
from saesteer.llms.table import CLIENTS

__all__ = [
    "CLIENTS",
    "NOTHING",
    "ONE",
    "BadReply",
    "CachedClient",
    "Client",
    "ClientError",
    "Message",
    "RateLimited",
    "Refused",
    "Reply",
    "Request",
    "Role",
    "TimedOut",
    "TokenChoice",
    "Unavailable",
    "Usage",
    "client_from",
    "complete_all",
    "total",
    "user",
]
