"""The systems that users can come from: their tables and export files, read into rows with our field names."""
