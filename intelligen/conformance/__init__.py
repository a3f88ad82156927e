"""Conformance tests for what other packages add: a test class inherits from one of these and says what it tests."""
