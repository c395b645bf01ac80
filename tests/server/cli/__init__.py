"""The commands, one file of tests per file of commands."""
