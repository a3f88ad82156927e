"""The commands: a module is named after the verbs that it holds."""
