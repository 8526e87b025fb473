"""Recordings in other tools' formats, one file a format, each an `Exporter`."""
