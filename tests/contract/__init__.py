"""What crosses a wire: recorded vectors, and who refuses what."""
