"""Traces: W3C Trace Context, sampling, and the export to an OpenTelemetry collector."""
