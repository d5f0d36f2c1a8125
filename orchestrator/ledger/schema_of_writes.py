"""Version 21 of the schema: checks and triggers that write a row without a table of their own, and budgets by name.

SQLite makes a table wherever it has to remember something: for `IN` with more than two values, and for a DISTINCT.
Making and dropping one takes longer than changing a row, and a call had eleven. So the checks of rows say `=` and `OR`,
and tags, which may come twice, have triggers of their own: most calls have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

# By table and column, what a check allows.
_ALLOWED = {
    ("run_rows", "status"): ("running", "complete", "incomplete", "failed", "interrupted"),
    ("call_rows", "status"): ("reserved", "sent", "completed", "failed", "interrupted"),
    ("batch_lines", "status"): ("complete", "incomplete", "failed", "invalid", "again"),
    ("call_rows", "cost_source"): ("usage", "provider", "estimate", "cache", "imported", "none", "unpriced"),
}
_OF_RUN = "SELECT {0} FROM run_rows WHERE run_id = {1}.run_id"
_TAGS = "(SELECT DISTINCT value FROM run_rows, json_each(run_rows.tags) WHERE run_id = {0}.run_id)"
# What a row counts for in budgets: nothing if another tool's log was imported.
_AMOUNTS = {
    "committed_nanousd": "coalesce({0}.cost_nanousd, {0}.reserved_nanousd, 0)",
    "settled_nanousd": "coalesce({0}.cost_nanousd, 0)",
}


def _check_by_comparing(table: str, column: str) -> str:
    """Writes a table's check anew. It goes between `PRAGMA writable_schema` ON and RESET, as in version 8."""
    values = [f"'{value}'" for value in _ALLOWED[table, column]]
    before, after = f"{column} IN ({', '.join(values)})", " OR ".join(f"{column} = {value}" for value in values)
    old, new = (text.replace("'", "''") for text in (before, after))
    return f"UPDATE sqlite_master SET sql = replace(sql, '{old}', '{new}') WHERE type = 'table' AND name = '{table}'"


def _amounts(row: str) -> Mapping[str, str]:
    return {
        name: f"CASE WHEN {row}.cost_source IS 'imported' THEN 0 ELSE {amount.format(row)} END"
        for name, amount in _AMOUNTS.items()
    }


def _counting(name: str, event: str, when: list[str], of_call: list[str], of_tags: str) -> Iterator[str]:
    """The two triggers of an event: `of_call` for every call, `of_tags` for those of runs with tags."""
    row = "OLD" if event == "DELETE" else "NEW"
    with_tags = f"({_OF_RUN.format('tags', row)}) <> '[]'"
    for trigger, conditions, statements in ((name, when, of_call), (f"{name}_tags", [*when, with_tags], [of_tags])):
        only = f" WHEN {' AND '.join(conditions)}" if conditions else ""
        yield f"CREATE TRIGGER {trigger} AFTER {event} ON call_rows{only} BEGIN {'; '.join(statements)}; END"


def _of_new_calls() -> Iterator[str]:
    amounts = ", ".join(_amounts("NEW").values())
    inserting = f"INSERT INTO spending (simulated, scope, name, day, {', '.join(_AMOUNTS)})"
    adding = "ON CONFLICT DO UPDATE SET " + ", ".join(f"{name} = {name} + excluded.{name}" for name in _AMOUNTS)
    scopes = (("'all'", "''"), ("'provider'", "NEW.provider"), ("'model'", "NEW.model"))
    values = ", ".join(f"(NEW.simulated, {scope}, {name}, NEW.day, {amounts})" for scope, name in scopes)
    of_run = (
        f"{inserting} SELECT NEW.simulated, '{scope}', {scope}, NEW.day, {amounts} FROM run_rows"
        f" WHERE run_id = NEW.run_id AND {scope} IS NOT NULL {adding}"
        for scope in ("category", "key")
    )
    tags = f"{inserting} SELECT NEW.simulated, 'tag', value, NEW.day, {amounts} FROM {_TAGS.format('NEW')} WHERE true"
    yield from _counting(
        "spending_of_a_new_call", "INSERT", [], [f"{inserting} VALUES {values} {adding}", *of_run], f"{tags} {adding}"
    )


def _of_old_calls(name: str, event: str, row: str, changes: Mapping[str, str], when: list[str]) -> Iterator[str]:
    updating = (
        f"UPDATE spending SET {', '.join(f'{name} = {name} {change}' for name, change in changes.items())}"
        f" WHERE simulated = {row}.simulated AND day = {row}.day AND"
    )
    of_call = [
        f"{updating} scope = 'all' AND name = ''",
        *(f"{updating} scope = '{scope}' AND name = {row}.{scope}" for scope in ("provider", "model")),
        *(f"{updating} scope = '{scope}' AND name = ({_OF_RUN.format(scope, row)})" for scope in ("category", "key")),
    ]
    yield from _counting(name, event, when, of_call, f"{updating} scope = 'tag' AND name IN {_TAGS.format(row)}")


_OLD, _NEW = _amounts("OLD"), _amounts("NEW")
_CHANGES = {name: f"+ {_NEW[name]} - {_OLD[name]}" for name in _AMOUNTS}
OF_WRITES = (
    "PRAGMA writable_schema = ON",
    *(_check_by_comparing(table, column) for table, column in _ALLOWED),
    "PRAGMA writable_schema = RESET",
    *(f"DROP TRIGGER spending_of_a_{which}_call" for which in ("new", "changed", "deleted")),
    *_of_new_calls(),
    *_of_old_calls(
        "spending_of_a_changed_call",
        "UPDATE OF cost_nanousd, reserved_nanousd, cost_source",
        "NEW",
        _CHANGES,
        [f"({' OR '.join(f'{_NEW[name]} <> {_OLD[name]}' for name in _AMOUNTS)})"],
    ),
    *_of_old_calls("spending_of_a_deleted_call", "DELETE", "OLD", {name: f"- {_OLD[name]}" for name in _AMOUNTS}, []),
    # For the budgets of a scope and a name, whatever their period.
    "CREATE INDEX budgets_by_name ON budgets (scope, name)",
)
