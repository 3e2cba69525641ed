"""Colours of the page as readers see them: text on marks and on the map, light, dark and printed (WCAG 2)."""

import re

import pytest

from saesteer.report.heat_plot import CELL
from saesteer.report.palette import LIGHT
from saesteer.report.templating import style

TEXT, SHAPE = 4.5, 3.0


def channel(value):
    return value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4


def rgb(colour):
    whole = colour if len(colour) == 7 else "#" + "".join(2 * letter for letter in colour[1:])
    return [int(whole[at : at + 2], 16) / 255 for at in (1, 3, 5)]


def mixed(top, below, share):
    """color-mix(in srgb, top share, below)."""
    return [share * a + (1 - share) * b for a, b in zip(top, below, strict=True)]


def luminance(colour):
    return sum(part * channel(value) for part, value in zip((0.2126, 0.7152, 0.0722), colour, strict=True))


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def variables(css):
    return {name: rgb(value) for name, value in re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{3,6})", css)}


CSS = str(style("style.css"))
ROOTS = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
MODES = dict(zip(("light", "dark", "print"), map(variables, ROOTS), strict=True))


@pytest.fixture(params=MODES)
def colours(request):
    return MODES[request.param]


def test_figures_read_on_every_shade_of_the_map(colours):
    for step in range(101):
        assert contrast(colours["ink"], mixed(colours["cell"], colours["paper"], step / 100)) >= TEXT


def test_words_read_on_their_marks(colours):
    share = int(re.search(r"mark\.w \{ background: color-mix\(in srgb, var\(--heat\) (\d+)%", CSS)[1]) / 100
    for below in ("paper", "raised"):
        assert contrast(colours["ink"], mixed(colours["heat"], colours[below], share)) >= TEXT


def test_other_text_reads(colours):
    for name in ("ink", "soft", "accent"):
        for below in ("paper", "raised"):
            assert contrast(colours[name], colours[below]) >= TEXT
    assert contrast(colours["ink"], colours["grid"]) >= TEXT  # hatched: no coherent setting


def test_markers_stand_out(colours):
    for place in range(6):
        assert contrast(colours[f"series-{place}"], colours["paper"]) >= SHAPE


def test_the_map_grows_darker_on_light_and_lighter_on_dark():
    """By lightness alone, so that it is read without telling hues apart, and on grey paper."""
    for name, sign in (("light", -1), ("dark", 1), ("print", -1)):
        steps = [mixed(MODES[name]["cell"], MODES[name]["paper"], step / 10) for step in range(11)]
        levels = [sign * luminance(each) for each in steps]
        assert levels == sorted(levels) and contrast(steps[0], steps[-1]) > 1.8


def test_figures_of_their_own_have_the_light_colours():
    assert [rgb(each) for each in LIGHT.series] == [MODES["light"][f"series-{n}"] for n in range(6)]
    assert rgb(CELL) == MODES["light"]["cell"] == MODES["print"]["cell"]
    assert contrast(rgb(LIGHT.ink), rgb(CELL)) >= TEXT and contrast(rgb(LIGHT.soft), rgb(LIGHT.paper)) >= TEXT
