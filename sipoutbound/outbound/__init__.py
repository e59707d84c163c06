"""What RFC 5626 adds to SIP: pure decisions, without Twisted and without input or output."""
