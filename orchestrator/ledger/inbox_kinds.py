"""The kinds of rows that the inbox takes, and what SQLite does with a row of each: see inbox.py.

`c1`, `c2` ... are the values of a row, and `change` says which change of the group it belongs to. What is out of the
ordinary goes into `odd`; then no other row of the change does anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from itertools import pairwise

from ..period import Period, days_in_sql
from .budgets import ALERT_PERCENTS
from .inbox_rows import (
    AFTER_TURN,
    CALL,
    ENDED,
    JUDGED,
    LAST_TURN,
    LINE,
    OTHER,
    RUN,
    SENT,
    SETTLED,
    TOKENS,
    TURN,
    kind_of_text,
)
from .inbox_rows import NULL as _NULL
from .limits import CLOCK_TOLERANCE, LEARNED_FOR
from .records import CallRecord, RunRecord
from .rows import changing_names, first_names, is_optional, names_of
from .views import ROWS, TEXTS, number_of

_BEFORE_CALL = ("counts", "at_once", "under_budgets", "rpm", "tpm", "tokens", "now", "since")
_WIDTH_OF_CALLS = len(_BEFORE_CALL) + len(first_names(CallRecord))
_WIDTH = max(
    _WIDTH_OF_CALLS,
    len(first_names(RunRecord)),
    1 + len(changing_names(RunRecord)),
    2 + len(changing_names(CallRecord)),
)


def _nullable(value: str) -> str:
    return f"CASE WHEN {value} = {_NULL} THEN NULL ELSE {value} END"


def _values(record: type[RunRecord | CallRecord], names: Iterable[str], first: int) -> dict[str, str]:
    """Columns of a record's table with the values that they get, from the place `first` of a row on."""
    places = {name: f"NEW.c{number}" for number, name in enumerate(names, start=first)}
    return {name: _nullable(place) if is_optional(record, name) else place for name, place in places.items()}


def _inserting(table: str, values: dict[str, str]) -> str:
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(values.values())})"


def _updating(table: str, values: dict[str, str], which: str) -> str:
    return f"UPDATE {table} SET {', '.join(f'{name} = {value}' for name, value in values.items())} WHERE {which}"


def _odd_if(condition: str) -> str:
    return f"INSERT OR IGNORE INTO odd SELECT NEW.change WHERE {condition}"


# After a statement that changes one row: nothing was changed.
_ODD_IF_NOT_DONE = _odd_if("changes() = 0")
_NOT_ODD = "NOT EXISTS (SELECT 1 FROM odd WHERE change = NEW.change)"
_ANY_BUDGET = "EXISTS (SELECT 1 FROM budgets)"


def _under_budgets(call: dict[str, str], which: str) -> str:
    """A query for the budgets that apply to a call, by the values of its columns, and meet a condition. In that, {sums}
    stands for the call's window in `spending`, and {first} for its first day."""
    simulated, day, run_id = call["simulated"], call["day"], call["run_id"]
    windows = days_in_sql(day) | {Period.ALL: (f"'{date.min}'", f"'{date.max}'")}
    first, last = (
        "CASE period " + " ".join(f"WHEN '{period}' THEN {days[end]}" for period, days in windows.items()) + " END"
        for end in (0, 1)
    )
    sums = f"""
        FROM spending WHERE spending.simulated = {simulated} AND spending.scope = own.scope AND spending.name = own.name
        AND day BETWEEN {first} AND {last}
    """
    of_run = f"FROM run_rows WHERE run_id = {run_id}"
    return f"""
        SELECT 1 FROM (
            SELECT 'all' AS scope, '' AS name
            UNION ALL SELECT 'provider', {call["provider"]}
            UNION ALL SELECT 'model', {call["model"]}
            UNION ALL SELECT 'category', category {of_run}
            UNION ALL SELECT 'key', key {of_run}
            UNION ALL SELECT 'tag', value FROM run_rows, json_each(run_rows.tags)
            WHERE run_id = {run_id} AND run_rows.tags <> '[]'
        ) AS own CROSS JOIN budgets ON budgets.scope = own.scope AND budgets.name = own.name
        WHERE {which.format(sums=sums, first=first)}
    """


_BEFORE = {name: f"NEW.c{number}" for number, name in enumerate(_BEFORE_CALL, start=1)}
_NEW_CALL = _values(CallRecord, first_names(CallRecord), 1 + len(_BEFORE_CALL))
_OF_MODEL = f"simulated = {_NEW_CALL['simulated']} AND model = {_NEW_CALL['model']}"
_LEARNED = f"SELECT 1 FROM learned_limits WHERE {_OF_MODEL}"
_IS_LIMITED = (
    f"({_BEFORE['at_once']} AND ({_BEFORE['rpm']} <> {_NULL} OR {_BEFORE['tpm']} <> {_NULL} OR EXISTS ({_LEARNED})))"
)


def _check_of_calls() -> str:
    """Objects to a call that does not fit into its run's cap and every budget, or cannot be sent at once though it
    should be."""
    counts, at_once, tokens, now = (_BEFORE[name] for name in ("counts", "at_once", "tokens", "now"))
    reserved, of_run = _NEW_CALL["reserved_nanousd"], f"run_id = {_NEW_CALL['run_id']}"
    over_the_cap = f"""
        SELECT 1 FROM run_rows WHERE {of_run} AND max_cost_nanousd IS NOT NULL AND (
            {reserved} IS NULL OR {reserved} > max_cost_nanousd - (
                SELECT coalesce(sum(coalesce(cost_nanousd, reserved_nanousd, 0)), 0) FROM call_rows WHERE {of_run}
            )
        )
    """
    committed = "(SELECT coalesce(sum(committed_nanousd), 0) {sums})"
    over_a_budget = _under_budgets(_NEW_CALL, f"({reserved} IS NULL OR {reserved} > limit_nanousd - {committed})")
    breakers = f"""
        SELECT 1 FROM breakers WHERE simulated = {_NEW_CALL["simulated"]} AND provider = {_NEW_CALL["provider"]}
        AND model =
    """
    barred = f"""{_LEARNED} AND (
        blocked_until > {now} OR noted_at <= {now} - {LEARNED_FOR} OR noted_at > {now} + {CLOCK_TOLERANCE}
    )"""
    later = f"SELECT 1 FROM rate_slots WHERE {_OF_MODEL} AND (at > {now} OR taken_at > {now} + {CLOCK_TOLERANCE})"
    used = f"FROM rate_slots WHERE {_OF_MODEL} AND at > {_BEFORE['since']}"

    def full(rpm: str, tpm: str) -> str:
        too_many = f"(SELECT count(*) {used}) >= {rpm}"
        too_much = f"(SELECT coalesce(sum(tokens), 0) {used}) > {tpm} - min({tokens}, {tpm})"
        return f"(coalesce({too_many}, false) OR coalesce({too_much}, false))"

    is_full = (
        f"{full(_nullable(_BEFORE['rpm']), _nullable(_BEFORE['tpm']))} OR EXISTS ({_LEARNED} AND {full('rpm', 'tpm')})"
    )
    held_up = [
        *(f"EXISTS ({breakers} {model})" for model in (_NEW_CALL["model"], "''")),
        *(f"EXISTS ({barred})", f"{_ANY_BUDGET} AND NOT {_BEFORE['under_budgets']}"),
    ]
    return _odd_if(f"""
        NOT EXISTS (SELECT 1 FROM run_rows WHERE {of_run})
        OR {counts} AND (EXISTS ({over_the_cap}) OR {_ANY_BUDGET} AND EXISTS ({over_a_budget}))
        OR {at_once} AND ({" OR ".join(held_up)})
        OR {_IS_LIMITED} AND (EXISTS ({later}) OR {is_full})
    """)


def _reserving() -> list[str]:
    """Inserts a call, and takes a slot if it is sent at once."""
    now = _BEFORE["now"]
    return [
        _inserting("call_rows", _NEW_CALL | {name: "0" for name in names_of(CallRecord) if name.endswith("_tokens")}),
        f"DELETE FROM rate_slots WHERE {_BEFORE['at_once']} AND {_OF_MODEL} AND at < {_BEFORE['since']}",
        f"""
        INSERT INTO rate_slots (simulated, model, taken_at, at, tokens)
        SELECT {_NEW_CALL["simulated"]}, {_NEW_CALL["model"]}, {now}, {now}, {_BEFORE["tokens"]} WHERE {_IS_LIMITED}
        """,
        f"""
        INSERT INTO taken
        SELECT NEW.change, last_insert_rowid(), {now}, noted_at, learned.rpm, learned.tpm, blocked_until
        FROM (SELECT 1) LEFT JOIN learned_limits AS learned ON {_OF_MODEL} WHERE changes() = 1
        """,
    ]


def _settling() -> list[str]:
    """Writes how a call ended, unless its cost raises an alert; `c2` says whether it may."""
    values = _values(CallRecord, changing_names(CallRecord), 3)
    more = f"coalesce({values['cost_nanousd']}, 0) - coalesce(call_rows.cost_nanousd, 0)"
    given = "SELECT max(percent) FROM budget_alerts AS given WHERE given.simulated = call_rows.simulated"
    given += " AND given.period = budgets.period AND given.scope = own.scope AND given.name = own.name"
    given += " AND given.first_day = {first}"
    following = " ".join(f"WHEN {last} THEN {percent}" for last, percent in pairwise((0, *ALERT_PERCENTS)))
    reached = f"100 * ({more} + (SELECT coalesce(sum(settled_nanousd), 0) {{sums}}))"
    of_call = {name: f"call_rows.{name}" for name in names_of(CallRecord)}
    alerted = _under_budgets(of_call, f"{reached} >= limit_nanousd * CASE coalesce(({given}), 0) {following} END")
    which = f"call_id = NEW.c1 AND NOT (NEW.c2 AND {_ANY_BUDGET} AND EXISTS ({alerted}))"
    return [_updating("call_rows", values | {"response_text": "NULL"}, which), _ODD_IF_NOT_DONE]


def _ending() -> list[str]:
    """Writes the end of a run, unless a call of it is still open."""
    values = _values(RunRecord, changing_names(RunRecord), 2) | {"response_text": "NULL"}
    is_open = "SELECT 1 FROM call_rows WHERE run_id = NEW.c1 AND status IN ('reserved', 'sent')"
    return [_updating("run_rows", values, f"run_id = NEW.c1 AND NOT EXISTS ({is_open})"), _ODD_IF_NOT_DONE]


def _keeping(table: str, name: str) -> list[str]:
    """Stores a text, unless it is there already: see texts.py."""
    key, digest, text = "NEW.c2", _nullable("NEW.c3"), "NEW.c4"
    same = f"SELECT text_id FROM texts WHERE digest = {digest}"
    if (table, name) == ("runs", "response"):
        same += f"""
            UNION ALL SELECT text_id FROM call_rows JOIN texts ON text_id = response_text
            WHERE {digest} IS NULL AND run_id = {key} AND text = {text}
        """
    key_name = {"runs": "run_id", "calls": "call_id"}[table]
    return [
        f"INSERT INTO texts (digest, text) SELECT {digest}, {text} WHERE NOT EXISTS ({same})",
        f"UPDATE {ROWS[table]} SET {number_of(name)} = coalesce(({same} LIMIT 1), last_insert_rowid())"
        f" WHERE {key_name} = {key}",
    ]


# Kinds that are seldom or small. They have a view of their own, as each trigger of one costs every row of it something.
_OTHERS = {
    SENT: [
        "UPDATE call_rows SET status = 'sent', sent_at = NEW.c3 WHERE call_id = NEW.c2 AND status = 'reserved'",
        _ODD_IF_NOT_DONE,
    ],
    JUDGED: ["UPDATE call_rows SET confidence = NEW.c3, verdict = NEW.c4 WHERE call_id = NEW.c2", _ODD_IF_NOT_DONE],
    TOKENS: ["UPDATE rate_slots SET tokens = NEW.c3 WHERE slot_id = NEW.c2"],
    LINE: [
        """
        INSERT OR REPLACE INTO batch_results VALUES (NEW.c2, NEW.c3, coalesce(
            (SELECT replaces FROM batch_results WHERE job = NEW.c2 AND number = NEW.c3),
            EXISTS (SELECT 1 FROM batch_lines WHERE job = NEW.c2 AND number = NEW.c3)
        ), NEW.c4)
        """,
        f"INSERT OR REPLACE INTO batch_lines VALUES (NEW.c2, NEW.c3, NEW.c5, NEW.c6, {_nullable('NEW.c7')})",
    ],
    AFTER_TURN: [_odd_if("NOT EXISTS (SELECT 1 FROM conversation_turns WHERE turn_id = NEW.c2)")],
    TURN: [f"INSERT OR IGNORE INTO conversation_turns VALUES (NEW.c2, {_nullable('NEW.c3')}, NEW.c4)"],
    LAST_TURN: ["INSERT OR REPLACE INTO conversations VALUES (NEW.c2, NEW.c3)"],
    **{kind_of_text(table, name): _keeping(table, name) for table, names in TEXTS.items() for name in names},
}
_WIDTH_OF_OTHERS = 7


def _columns(width: int) -> list[str]:
    return [f"c{number}" for number in range(1, 1 + width)]


def _row(width: int) -> str:
    return ", ".join(f"NEW.{column}" for column in ("change", *_columns(width)))


# The views by name, with their columns, and the triggers: of a view, under a condition, statements.
VIEWS = {
    "inbox": ["kind", "change", *_columns(_WIDTH)],
    "inbox_calls": ["change", *_columns(_WIDTH_OF_CALLS)],
    "inbox_others": ["change", *_columns(_WIDTH_OF_OTHERS)],
}
TRIGGERS = [
    (
        "inbox",
        f"NEW.kind = '{RUN}' AND {_NOT_ODD}",
        [_inserting("run_rows", _values(RunRecord, first_names(RunRecord), 1))],
    ),
    ("inbox", f"NEW.kind = '{CALL}'", [_check_of_calls(), f"INSERT INTO inbox_calls VALUES ({_row(_WIDTH_OF_CALLS)})"]),
    ("inbox_calls", _NOT_ODD, _reserving()),
    ("inbox", f"NEW.kind = '{SETTLED}'", _settling()),
    ("inbox", f"NEW.kind = '{ENDED}'", _ending()),
    ("inbox", f"NEW.kind = '{OTHER}' AND {_NOT_ODD}", [f"INSERT INTO inbox_others VALUES ({_row(_WIDTH_OF_OTHERS)})"]),
    *(("inbox_others", f"NEW.c1 = '{kind}'", statements) for kind, statements in _OTHERS.items()),
]
