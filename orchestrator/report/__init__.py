"""Figures, tables, charts and exports of the ledger."""
