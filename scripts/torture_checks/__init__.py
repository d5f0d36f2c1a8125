"""What orch promises about money and survival, tried at length: real processes and SDKs against simulated providers.

The simulator is served over loopback, and its journal is the bill that the ledger is held against. One module is one
check; docs/torture.md says what each promises.
"""
