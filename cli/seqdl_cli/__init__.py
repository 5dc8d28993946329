"""The command line: parse, call the library, print. Commands import what they need when they run."""
