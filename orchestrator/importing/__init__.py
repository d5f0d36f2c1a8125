"""Usage that other tools leave on this machine, brought into the ledger."""
