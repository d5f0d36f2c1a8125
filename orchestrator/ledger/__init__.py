"""The ledger: a SQLite file with every run and call, shared by all processes of a user."""
