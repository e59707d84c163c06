"""A SIP server framework for clients that come and go: RFC 5626, SIP Outbound, on Twisted."""
