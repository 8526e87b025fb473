"""What other people's tools require of worldsim, one function a check.

A check is called with a folder of its own, returns a line about what it found and raises if the
tool is not content. `environments` says which packages each one needs.
"""
