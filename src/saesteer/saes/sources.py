"""Where an SAE comes from: a registered name, a path, `release/sae_id`, or owner/repo/folder of the hub.

Knows how names are told apart; reads no tensor.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from saesteer.errors import NotAnSAE, UnknownName
from saesteer.saes import hub
from saesteer.saes.loaders import FORMATS, Found, catalogue, recognised
from saesteer.saes.tables import SAES


@dataclass(frozen=True)
class Recognised:
    """Which files a name stands for, and what they are; nothing of them has been read."""

    name: str
    """What was asked for."""
    format: str
    """A name of FORMATS."""
    path: Path
    """The folder, or the one file."""
    hub: str = ""
    """owner/repo/folder, where it comes from the hub."""
    entry: catalogue.Entry | None = None
    """What a catalogue knows of it."""

    @property
    def about(self) -> str:
        """What the format looks like."""
        return FORMATS.get(self.format).about

    @property
    def found(self) -> Found:
        """For the format's reader."""
        return Found(self.path, self.hub or os.path.abspath(self.path))


def recognise(name: str | Path, download: bool = True) -> Recognised:
    """What `name` stands for; its files are on this machine afterwards. NotAnSAE where it is nothing.

    Without `download` of the hub's files only those that are in its local cache.
    """
    if isinstance(name, str) and name in SAES:
        return _at(str(name), SAES.get(name)())
    if os.path.exists(name):  # not Path.exists, which raises for a name that is too long
        return _at(str(name), Path(name))
    text = str(name)
    if _is_path(name) or text.partition("/")[0] in {each.partition("/")[0] for each in SAES.names()}:
        unknown = UnknownName.of("SAE", name, SAES.names())
        raise NotAnSAE(f"{unknown}; nor is there a folder of this name") from unknown
    if (parts := catalogue.split(text)) is not None:
        return _of_release(text, *parts, download)
    return _on_the_hub(text, download)


def _is_path(name: str | Path) -> bool:
    """Whether it can be meant as a path alone: the hub's names have an owner and no dots in front."""
    text = str(name)
    return isinstance(name, Path) or "/" not in text.strip("/") or text.startswith((".", "/", "~"))


def _at(name: str, path: Path) -> Recognised:
    if (found := recognised(path)) is None:
        raise NotAnSAE(_why_not(path))
    return Recognised(name, found[0].name, found[1])


def _why_not(path: Path) -> str:
    """What is missing where a format is half there, else what there could be."""
    formats = [FORMATS.get(name) for name in FORMATS.names()]
    lacks = {each.name: [f for f in each.files if not (path / f).is_file()] for each in formats}
    half = [each for each in formats if 0 < len(lacks[each.name]) < len(each.files)]
    if half:
        missing = "; ".join(f"for {each.name} there is no {', '.join(lacks[each.name])}" for each in half)
        return f"{path} is not an SAE: {missing}"
    kind = "file" if os.path.isfile(path) else "folder"
    known = "; ".join(f"{each.name}: {each.about}" for each in formats)
    return f"{path} is not an SAE, but a {kind} of no format that is known ({known})"


def _of_release(name: str, release: str, sae_id: str, download: bool) -> Recognised:
    entry = catalogue.entry(release, sae_id)
    found, path = hub.find(entry.repo, entry.folder, [entry.format], download)
    return Recognised(name, found.name, path, f"{entry.repo}/{entry.folder}", entry)


def _on_the_hub(name: str, download: bool) -> Recognised:
    owner, repo, *folders = name.strip("/").split("/")
    try:
        found, path = hub.find(f"{owner}/{repo}", "/".join(folders), download=download)
    except NotAnSAE as error:
        raise NotAnSAE(
            f"{error}; nor is {owner!r} a release in the catalogue of {catalogue.whose()}, "
            f"nor {name!r} one of {', '.join(SAES.names())}"
        ) from error
    return Recognised(name, found.name, path, name.strip("/"))
