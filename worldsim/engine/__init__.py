"""The engine: one dreamed world, or many in a batch, advanced tick by tick."""
