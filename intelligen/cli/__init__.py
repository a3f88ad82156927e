"""The command line: click alone; heavy imports wait for a command."""
