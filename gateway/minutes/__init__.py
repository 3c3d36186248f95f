"""Minutes of a close (biên bản đối soát): a document two sides keep, its figures inside, signed by a certificate."""
