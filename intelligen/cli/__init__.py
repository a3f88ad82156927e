"""The command line: the only place where the parts are wired together. Heavy imports wait for a command."""
