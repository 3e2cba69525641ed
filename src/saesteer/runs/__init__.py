"""Run folders: what was made, from what, whole or not at all. Knows files, not what is in them; no torch."""

from saesteer.runs.checksums import digest, plain, sha256_bytes, sha256_file
from saesteer.runs.journal import Journal
from saesteer.runs.layers import laid_over, read_fields
from saesteer.runs.lock import alone
from saesteer.runs.manifest import Manifest, versions
from saesteer.runs.paths import contained
from saesteer.runs.reading import read_json, read_parquet, read_yaml
from saesteer.runs.stage import run_stage
from saesteer.runs.writing import atomic, atomic_files, write_bytes, write_json, write_parquet, write_text

__all__ = [
    "Journal",
    "Manifest",
    "alone",
    "atomic",
    "atomic_files",
    "contained",
    "digest",
    "laid_over",
    "plain",
    "read_fields",
    "read_json",
    "read_parquet",
    "read_yaml",
    "run_stage",
    "sha256_bytes",
    "sha256_file",
    "versions",
    "write_bytes",
    "write_json",
    "write_parquet",
    "write_text",
]
