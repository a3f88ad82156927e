"""The command line, in click: options, messages and exit codes. A verb is imported when it is called."""
