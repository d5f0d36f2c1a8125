"""Keeping the ledger true: checks, comparison with bills, new prices."""
