"""Training: data rendered on the fly, losses, and the stages that make a checkpoint."""
