"""The command C{twistd sipoutbound}."""

from twisted.application.service import ServiceMaker

sipoutbound = ServiceMaker(
    "sipoutbound",
    "sipoutbound.tap",
    "A SIP registrar and proxy whose clients are reached over their own connections (RFC 5626).",
    "sipoutbound",
)
