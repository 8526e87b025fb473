"""Episodes on disk: recording, scripts, rollouts, replay and contact sheets."""
