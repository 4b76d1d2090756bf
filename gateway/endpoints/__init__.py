"""The gateway's own endpoints, served by Flask: health, metrics, browser sessions, tickets."""
