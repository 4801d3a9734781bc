"""Modules: the texts of programs, each kept once however many entries and findings share it."""

from __future__ import annotations

import hashlib

from corpus.database import Database
from corpus.encoding import pack_module
from harness.case import Case


def digest_of(case: Case) -> bytes:
    """What identifies the case's module."""
    return hashlib.sha256(case.module.encode()).digest()


def module_row(database: Database, case: Case) -> int:
    """The id of the row of the case's module, which is made if there is none."""
    query = "select id from modules where digest = ?"
    digest = digest_of(case)
    for (module_id,) in database.rows(query, (int,), (digest,)):
        return module_id
    values = digest, pack_module(case)
    return database.write("insert into modules (digest, text) values (?, ?)", values)
