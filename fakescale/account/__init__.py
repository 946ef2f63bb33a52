"""The state of an account, and all that can be done to it: no HTTP."""
