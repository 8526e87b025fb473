"""The true block world, the Gymnasium environments, and their registration."""
