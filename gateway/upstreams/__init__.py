"""The services behind the gateway: which address is asked, over which connection, and what came back."""
