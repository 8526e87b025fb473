"""The world model: a causal diffusion model of RGB-D frames. Shape legend: `worldsim.types`."""
