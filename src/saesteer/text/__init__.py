"""Texts: sources of documents, packing into rows of tokens, concepts. Knows no model."""

from saesteer.text.concept import Concept, check_contrast
from saesteer.text.concepts import CONCEPTS, load_concept
from saesteer.text.packing import PackedTokens, Row, Tokenize, pack, packed_rows, stack, windows
from saesteer.text.sources import Document, read_texts

__all__ = [
    "CONCEPTS",
    "Concept",
    "Document",
    "PackedTokens",
    "Row",
    "Tokenize",
    "check_contrast",
    "load_concept",
    "pack",
    "packed_rows",
    "read_texts",
    "stack",
    "windows",
]
