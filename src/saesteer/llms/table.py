"""The clients that there are, by name. Imports none of them until it is asked for."""

from __future__ import annotations

from saesteer.llms.client import Client
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
"""Name -> a class that is made with options and is a Client. Its first option, or what its `fields_of` says,
is what stands after the colon in `client_from("name:...")`."""
