"""The command line: machinery here, one file a verb in `commands`."""
