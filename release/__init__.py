"""Build a release: wheels, images, SBOMs, lists of licences, notes and checksums."""
