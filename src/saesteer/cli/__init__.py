"""The command line: one file per command; each parses, calls one function of the library and prints.

Knows words and tables, no method. Nothing heavy is imported before a command runs.
"""
