"""The one place where the version stands: every package, the wheel and each file we write quote it."""

VERSION = "0.1.0"
