"""Tests of the alerts, recording rules and dashboards in deploy/."""
