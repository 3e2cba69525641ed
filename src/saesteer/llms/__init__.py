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
from saesteer.names import Registry

CLIENTS: Registry[type[Client]] = Registry(
    "client",
    {
        "openai": "saesteer.llms.openai_api:OpenAIClient",
        "hf": "saesteer.llms.hf_local:HFClient",
        "vllm": "saesteer.llms.vllm_offline:VLLMClient",
        "scripted": "saesteer.llms.scripted:ScriptedClient",
        "oracle": "saesteer.world.oracle_client:OracleClient",
    },
    "saesteer.clients",
)

__all__ = [
    "CLIENTS",
    "NOTHING",
    "ONE",
    "BadReply",
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
    "total",
    "user",
]
