"""Data that ships with worldsim: checkpoints, scenes, shaders, keymaps, scripts."""
