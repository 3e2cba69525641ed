"""The judges that there are, by name. Imports none of them until it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saesteer.names import Registry

JUDGES: Registry[Callable[..., Any]] = Registry(
    "judge",
    {
        "oracle": "saesteer.world.judge:OracleJudge",
        "oracle_toxicity": "saesteer.world.toxicity:OracleToxicity",
        "llm": "saesteer.judges.llm:LLMJudge",
        "classifier": "saesteer.judges.classifier:ClassifierJudge",
        "embedding": "saesteer.judges.embedding:EmbeddingJudge",
        "perspective": "saesteer.judges.perspective:PerspectiveJudge",
        "guard": "saesteer.judges.guard:GuardJudge",
        "regex": "saesteer.judges.regex:RegexJudge",
        "combined": "saesteer.judges.combined:combined",
    },
    "saesteer.judges",
)
"""Name -> what is called with options and gives a Judge. Its first option is what stands after the colon in
`load_judge("name:...")`."""
