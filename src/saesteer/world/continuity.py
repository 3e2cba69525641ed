"""Do the persons, pronouns, town and time of a story stay what they were? Judged apart from grammar."""

from collections.abc import Sequence

from saesteer.world.patterns import NAME, OTHER, SUBJECT, Slot
from saesteer.world.story import Reading, connective_times, gender_of


def slips(readings: Sequence[Reading | None]) -> list[str]:
    """What goes wrong with names, pronouns, towns, times and order, in the order it happens. Unreadable
    sentences are passed over.
    """
    found: list[str] = []
    cast: list[str] = []
    focus, town, time = "", "", 0
    for i, reading in enumerate(readings):
        if reading is None or reading.pattern is None:
            continue
        now = connective_times().get(reading.connective or "", time)
        if now < time:
            found.append("time")
        time = max(now, time)
        opening = reading.part == "opening"
        if opening and i > 1:
            found.append("order")
        slots = [item for item in reading.pattern.items if isinstance(item, Slot)]
        for slot, word in zip(slots, reading.values, strict=True):
            if slot.kind == NAME or (opening and slot.kind == OTHER):
                cast.append(word)
                focus = cast[0]
            elif slot.kind == SUBJECT:
                if word in ("she", "he"):
                    if focus and (gender_of(focus) == "male") != (word == "he"):
                        found.append("pronoun")
                else:
                    if cast and word not in cast:
                        found.append("name")
                    focus = word
            elif slot.kind == OTHER:
                if cast and (word not in cast or word == focus):
                    found.append("name")
            elif slot.kind == "town":
                if town and word != town:
                    found.append("town")
                town = town or word
    return found
