"""The state of an account and all operations on it, without HTTP."""
