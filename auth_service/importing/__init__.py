"""Move users in from other systems, and export them: sources, checks, the importer, the report, the export."""
