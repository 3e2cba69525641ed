"""Why a strength works, or why none does, and what to doubt of an answer. Chooses nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from saesteer.calibration.budget import Budget
from saesteer.calibration.presence import absence
from saesteer.calibration.probing import Probe
from saesteer.calibration.result import Point, Verdict
from saesteer.evaluation import Outcome, Row, difference, figures
from saesteer.evaluation.figures import shown
from saesteer.statistics import Interval

_FEW = 5  # prompts of a half, from which on intervals mean something


def works(points: Sequence[Point], strength: float, base: Sequence[Row]) -> Verdict:
    """What the chosen strength does on the selection half."""
    chosen = next(each for each in points if each.strength == strength)
    assert chosen.figures is not None
    plain = figures([row for row in base if row.half == "selection"])
    return Verdict(
        "works",
        f"behaviour {chosen.figures.behaviour.estimate:.2f} against {plain.behaviour.estimate:.2f} of the "
        f"plain model, coherence {shown(chosen.figures.coherence)}, KL {chosen.kl.estimate:.2g}",
    )


def by_chance(points: Sequence[Point], strength: float, outcome: Outcome | None, goal: str) -> Verdict | None:
    """Why the best of many strengths is no better than chance; None where the other half confirms it.

    The other half is asked once, about one strength, so that its interval needs no correction.
    """
    if outcome is None or (outcome.lift.low > 0 if goal == "raise" else outcome.lift.high < 0):
        return None
    chosen = next(each for each in points if each.strength == strength)
    assert chosen.figures is not None
    tested, lift = outcome.figures, outcome.lift
    return Verdict(
        "inert",
        f"the best of {len(points)} strengths, {strength:.3g} with behaviour "
        f"{chosen.figures.behaviour.estimate:.2f}, is not confirmed by the other prompts: "
        f"{tested.behaviour.estimate:.2f} there, {lift.estimate:+.2f} [{lift.low:+.2f}, {lift.high:+.2f}] "
        "over the plain model; take another direction, or more prompts",
    )


def why_none(
    probe: Probe,
    budget: Budget,
    points: Sequence[Point],
    base: Sequence[Row],
    written: Mapping[float, Sequence[Row]],
    goal: str,
) -> Verdict:
    """Why no strength that was tried is both within the budget and of effect."""
    plain = figures(base)
    shows = next((each for each in points if each.effective), None)
    if shows is None and not budget.coherent(plain):
        return Verdict(
            "budget",
            f"the plain model's own coherence is {shown(plain.coherence)}, under {budget.coherence:g}; "
            "ask for less, or take other prompts",
        )
    if shows is not None:
        found = _beyond(shows, budget, plain.behaviour.estimate)
        return replace(found, reason=found.reason + _not_yet(points, goal))
    lenient = _shows_leniently(points, base, written, goal)
    if lenient is not None:
        return lenient
    absent = absence(probe.lm, probe.spec, probe.concept, probe.saes) if goal == "raise" else None
    if absent is not None:
        return Verdict("not in SAE", absent)
    strongest = points[-1]
    most = max(each.figures.behaviour.estimate for each in points if each.figures)
    told = "" if strongest.figures is None else f", coherence {shown(strongest.figures.coherence)}"
    return Verdict(
        "inert",
        f"the direction does not move the concept: up to {strongest.strength:.3g} "
        f"(KL {strongest.kl.estimate:.2g}{told}) behaviour is {most:.2f} at best, "
        f"{plain.behaviour.estimate:.2f} without; take another direction",
    )


def doubts(
    probe: Probe,
    budget: Budget,
    points: Sequence[Point],
    strength: Interval | None,
    outcome: Outcome | None,
    rows: Sequence[Row],
) -> tuple[str, ...]:
    """What the figures do not carry."""
    found = []
    failed = sum(not row.ok for row in rows)
    if failed:
        found.append(f"{failed} of {len(rows)} judgements failed and count nowhere")
    halves = {half: len({r.prompt_id for r in rows if r.half == half}) for half in ("selection", "test")}
    if rows and min(halves.values()) < _FEW:
        found.append(f"{min(halves.values())} prompts are few for intervals; give {2 * _FEW} or more")
    if strength is not None and rows and outcome is None:
        found.append("there is no test half: the figures are those that the strength was chosen by")
    if outcome is not None:
        tested = outcome.figures
        if not budget.coherent(tested):
            found.append(
                f"on the test half coherence is {shown(tested.coherence)}, under {budget.coherence:g}: "
                "the best of many flatters itself; ask for a little more"
            )
    if strength is not None and points and abs(strength.estimate) == max(abs(p.strength) for p in points):
        found.append("the strongest that was tried is the best; more may be better still")
    return tuple(found)


def _beyond(shows: Point, budget: Budget, plain: float) -> Verdict:
    """The concept shows, and only where the budget is broken."""
    assert shows.figures is not None
    told = (
        f"the concept shows from {shows.strength:.3g} on (behaviour {shows.figures.behaviour.estimate:.2f}, "
        f"{plain:.2f} without)"
    )
    if "coherence" in shows.broken:
        return Verdict(
            "coherence",
            f"coherence collapses first: {told}, where coherence is {shown(shows.figures.coherence)}, "
            f"under {budget.coherence:g}",
        )
    over = ", ".join(shows.broken)
    return Verdict("budget", f"the budget is too small: {told}, where {over} is beyond its limit; allow more")


def _not_yet(points: Sequence[Point], goal: str) -> str:
    """What more texts might show within the budget."""
    side = 1 if goal == "raise" else -1
    within = [each for each in points if not each.broken and each.lift and side * each.lift.estimate > 0]
    if not within:
        return ""
    best = max(within, key=lambda each: side * each.lift.estimate if each.lift else 0.0)
    found = best.figures
    assert found is not None
    return (
        f"; at {best.strength:.3g}, within the budget, behaviour is {found.behaviour.estimate:.2f}, which "
        f"{found.samples} texts of {found.prompts} prompts do not tell from the plain model's: "
        "give more prompts"
    )


def _shows_leniently(
    points: Sequence[Point], base: Sequence[Row], written: Mapping[float, Sequence[Row]], goal: str
) -> Verdict | None:
    """Where a judge counts broken sentences apart: whether the concept shows in those alone."""
    plain = _lenient([row for row in base if row.half == "selection"])
    for point in points:
        rows = _lenient(written.get(abs(point.strength), ()))
        if "coherence" not in point.broken or not rows or not plain or point.figures is None:
            continue
        lift = difference(rows, plain)
        if lift.low > 0 if goal == "raise" else lift.high < 0:
            return Verdict(
                "coherence",
                f"coherence collapses first: the concept shows from {point.strength:.3g} on, in broken "
                f"sentences alone (coherence {shown(point.figures.coherence)})",
            )
    return None


def _lenient(rows: Sequence[Row]) -> list[Row]:
    return [replace(row, behaviour=row.lenient) for row in rows if row.ok and row.lenient is not None]
