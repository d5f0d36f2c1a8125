"""Statements that several versions of the schema are made of."""

from __future__ import annotations

DAY_OF_RUN = "(SELECT day FROM run_rows WHERE run_id = {row}.run_id)"
OF_BOTH = "status, latency_ms, confidence"  # columns of runs and of calls that sums are made from


def with_columns(table: str, columns: str) -> str:
    """Adds columns at the end of a STRICT table, as ALTER TABLE does, but without its check of all rows. It goes
    between `PRAGMA writable_schema` ON and RESET."""
    end, written, quoted = ") STRICT", "rtrim(sql, ' ' || char(10))", columns.replace("'", "''")
    return (
        f"UPDATE sqlite_master SET sql = substr({written}, 1, length({written}) - {len(end)}) || ', {quoted}{end}'"
        f" WHERE type = 'table' AND name = '{table}' AND {written} LIKE '%{end}'"
    )


def ends_sums(event: str, table: str, day: str, when: str = "") -> str:
    """After a change, the sums of the day are no longer those of its rows."""
    name, row = f"{table}_{event.split()[0].lower()}_ends_sums", "OLD" if event == "DELETE" else "NEW"
    of_day = f"day = {day.format(row=row)}"
    return f"CREATE TRIGGER {name} AFTER {event} ON {table} {when} BEGIN DELETE FROM summed_days WHERE {of_day}; END"
