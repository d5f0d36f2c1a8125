"""A batch on workers of dask.distributed: this process owns the ledger, and lends each worker a piece of it."""
