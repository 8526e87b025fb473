"""The ground-truth block world."""
