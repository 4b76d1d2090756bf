"""The client's side of a connection: HTTP as it comes in and goes out, and who is at the other end."""
