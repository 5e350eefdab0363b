"""The documents: their commands are run, their words are checked, tables are generated."""
