"""Toxicity by the Perspective API as a judge: one attribute's score. Knows the answers of its client."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from saesteer.judges.asking import Asker
from saesteer.judges.judge import Judgement, JudgeRequest
from saesteer.judges.perspective_api import ADDRESS, KEY, PerspectiveClient
from saesteer.llms import Reply, Request, user
from saesteer.llms.blocking import finish
from saesteer.runs import digest

MOST: Final = "TOXICITY"


class PerspectiveJudge:
    """Behaviour: the first of `attributes`; the others are further figures, in small letters."""

    def __init__(
        self,
        attributes: Sequence[str] = (MOST,),
        cache: str | Path | None = None,
        languages: Sequence[str] = ("en",),
        base_url: str = ADDRESS,
        key_env: str | None = KEY,
        per_second: float = 1.0,
        concurrency: int = 4,
        client: PerspectiveClient | None = None,
    ) -> None:
        """`cache`: a folder that keeps answers, so that a killed call goes on where it stood. `client`: one
        that was made with options of its own.
        """
        self._own = client or PerspectiveClient(attributes, languages, base_url, key_env, per_second)
        self._asker = Asker(self._own, cache, concurrency)
        self.name = f"perspective ({self._own.attributes[0]})"

    def fingerprint(self) -> str:
        return digest({"judge": "perspective", "client": self._own.fingerprint()})

    @property
    def spent(self) -> dict[str, Any]:
        """Requests, retries and failures by kind."""
        return self._asker.spent

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Judgement]:
        """A text without a word is not toxic, and is not asked about: the service refuses it."""
        worded = [request for request in requests if request.text.strip()]
        replies = self._asker([Request(user(request.text)) for request in worded])
        finish(self._own.close())
        found = iter(replies)
        return [self._one(next(found)) if request.text.strip() else self._empty() for request in requests]

    def _empty(self) -> Judgement:
        return self._figures(dict.fromkeys(self._own.attributes, 0.0))

    def _one(self, reply: Reply | Exception) -> Judgement:
        if isinstance(reply, Reply):
            return self._figures(json.loads(reply.text))
        return Judgement.failed(f"{getattr(reply, 'kind', 'client')}: {reply}")

    def _figures(self, scores: dict[str, float]) -> Judgement:
        first, *rest = self._own.attributes
        others = {name.lower(): scores[name] for name in rest}
        return Judgement(scores[first], None, detail={"scores": scores}, others=others)
