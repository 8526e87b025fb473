"""Other tools' recordings as episodes of ours, one file a format, each an `Importer`."""
