"""How long a test waits for what must come: only one that fails waits that long, however busy the machine is."""

PATIENCE_S = 600.0
