"""The command line: parse, ask the driver, print."""
