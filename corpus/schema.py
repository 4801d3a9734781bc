"""The tables of a store, the JSON in them, and what marks an SQLite file as ours."""

from __future__ import annotations

from harness.system.data import Form, is_amount, is_count

FILE = "campaign.sqlite3"
APPLICATION_ID = 0x747A6572  # "tzer" in ASCII
VERSION = 1

SCHEMA = """
-- One row each: what the campaign was started with, and where it stands. Values are JSON.
create table meta (name text primary key, value text not null) without rowid;

-- The corpus. `blocks` are the in-scope native blocks that the case reaches: uint32, little-endian,
-- deflated. The counters are the scheduler's.
create table entries (
    id integer primary key,
    module integer not null references modules(id),
    rest text not null,
    parent integer,
    blocks blob not null,
    born integer not null,
    chosen integer not null default 0,
    ir_failures integer not null default 0,
    pass_failures integer not null default 0
);

-- Module texts, deflated, each once however many entries and findings share it.
create table modules (id integer primary key, digest blob not null unique, text blob not null);

-- Findings by signature: the first case of it whole, the others counted.
create table findings (
    id text primary key,
    signature text not null unique,
    kind text not null,
    legal integer not null,
    confirmed integer not null,
    count integer not null,
    module integer not null references modules(id),
    rest text not null,
    verdict text not null,
    first_test integer not null,
    first_seconds real not null
);

-- Stable native blocks as they came (uint32, little-endian, deflated), and Python lines of TVM.
create table coverage (id integer primary key, blocks blob not null);
create table lines (file text not null, line integer not null, primary key (file, line))
    without rowid;

-- A point every few seconds, for plots.
create table timeline (
    elapsed real not null, tests integer not null, blocks integer not null,
    lines integer not null, corpus integer not null, findings integer not null
);
"""

# The forms of the JSON values; see `harness.system.data.fits`.
META: dict[str, Form] = {
    "settings": {
        "tvm": str,
        "strategy": str,
        "targets": [str],
        "scope": [str],
        "seed": int | None,
    },
    "progress": {
        "seed": int,
        "counts": {str: is_count},
        "seconds": {str: is_amount},
        "seeds_finished": bool,
        "seeds_done": [str],
        "faults": {str: str},
        "scheduler": {str: {str: (is_amount, is_amount)}},
        "shapes": [is_count],
    },
    "stats": {str: object},  # each number is checked where it is read
    "learned": {
        "payoff": {str: {str: (is_count, is_count, is_count, is_amount)}},
        "passes": {str: {str: (is_amount, is_amount)}},
        "memory": [(is_amount, is_count, is_count)],
    },
}
VERDICT = {
    "kind": str,
    "legal": bool,
    "message": str,
    "signature": str,
    "pass_name": str,
    "stage": str,
    "detail": dict,
}
