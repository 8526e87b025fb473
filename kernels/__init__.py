"""Triton kernels, each beside its plain-torch reference. Import as `worldsim.kernels`."""

if __name__ != "worldsim.kernels":
    raise ImportError(
        f"expected to be imported as 'worldsim.kernels'; got {__name__!r}. "
        "Install the project with `pip install -e .` and import worldsim.kernels: "
        "the name 'kernels' belongs to another package."
    )
