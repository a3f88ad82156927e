"""Conformance tests for networks of other packages: a test class inherits from one and names what it tests."""
