"""What SIP says: pure values and grammar, without Twisted and without input or output."""
