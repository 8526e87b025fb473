"""Entry points for makers; run as `python -m worldsim.tools.NAME`."""
